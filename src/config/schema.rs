//! The JSON Schemas of both files, for editors: made from these types, which a test holds equal to the settings.

use super::{OPTIONS, SHIPPED, Takes, Who, settings};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::json;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// `config.toml`, of the user. Each key may be left out.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "wrap config.toml")]
#[allow(dead_code)]
struct User {
    #[schemars(flatten)]
    project: Project,
    detach_keys: Option<DetachKeys>,
    center: Option<Center>,
    alias: Option<std::collections::BTreeMap<String, String>>,
    #[schemars(length(max = 32))]
    trusted: Option<Vec<String>>,
}

/// `wrap.toml`, of a project. What is more than a name, a port and a pattern is used once its user has trusted the project.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "wrap.toml")]
#[allow(dead_code)]
struct Project {
    #[schemars(length(min = 1))]
    name: Option<String>,
    #[schemars(range(min = 1, max = 65535))]
    port: Option<u16>,
    #[schemars(length(min = 1))]
    ready_pattern: Option<String>,
    #[schemars(range(min = 0, max = 86400))]
    ready_timeout: Option<f64>,
    #[schemars(regex(pattern = "^/[!-\"$-~]*$"), length(max = 1024))]
    health_path: Option<String>,
    #[schemars(length(max = 32))]
    env_files: Option<Vec<String>>,
    on_hangup: Option<OnHangup>,
    leftovers: Option<Leftovers>,
    #[schemars(range(min = 0, max = 86400))]
    grace: Option<f64>,
    hooks: Option<Vec<Hook>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
#[allow(dead_code)]
enum OnHangup {
    End,
    Keep,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
#[allow(dead_code)]
enum Leftovers {
    Stop,
    Keep,
    StopAll,
}

#[derive(JsonSchema)]
#[schemars(transparent, inline)]
#[allow(dead_code)]
struct DetachKeys(#[schemars(regex(pattern = r"^(off|(ctrl|Ctrl|CTRL)-. .)$"))] String);

#[derive(JsonSchema)]
#[schemars(transparent, inline)]
#[allow(dead_code)]
struct Center(
    #[schemars(regex(pattern = r"^(off|http://.+)$"))]
    String,
);

/// A hook that ships with wrap: its name, or a table with its name and its options.
struct Hook;

impl JsonSchema for Hook {
    fn schema_name() -> Cow<'static, str> {
        "hook".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut any = vec![json!({ "type": "string", "enum": SHIPPED })];
        for (name, options) in SHIPPED.iter().zip(OPTIONS) {
            let mut properties = serde_json::Map::new();
            properties.insert("name".to_owned(), json!({ "const": name }));
            properties.extend(options.iter().map(|(option, takes)| ((*option).to_owned(), takes_schema(*takes))));
            any.push(json!({
                "type": "object", "properties": properties, "required": ["name"], "additionalProperties": false
            }));
        }
        schemars::json_schema!({ "anyOf": any })
    }
}

fn takes_schema(takes: Takes) -> serde_json::Value {
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    match takes {
        Takes::Text => json!({ "type": "string" }),
        Takes::Texts => texts,
        Takes::TextOrTexts => json!({ "anyOf": [{ "type": "string" }, texts] }),
        Takes::Number => json!({ "type": "number" }),
        Takes::Bool => json!({ "type": "boolean" }),
    }
}

/// With what each setting is for, in the words of [`settings`].
fn schema<T: JsonSchema>() -> String {
    let mut schema =
        SchemaSettings::draft07().with(|it| it.inline_subschemas = true).into_generator().into_root_schema_for::<T>();
    let properties = schema.ensure_object().get_mut("properties").and_then(|it| it.as_object_mut()).expect("an object");
    for (name, property) in properties {
        let setting = settings().iter().find(|setting| setting.name == name).expect("a setting");
        property["description"] = json!(format!("{} It takes {}.", setting.about, setting.takes));
    }
    let mut schema = serde_json::to_value(&schema).expect("json");
    without_null(&mut schema);
    serde_json::to_string_pretty(&schema).expect("json") + "\n"
}

/// TOML has no null: what may be left out is not there.
fn without_null(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(object) => {
            for key in ["type", "enum", "anyOf"] {
                let Some(list) = object.get_mut(key).and_then(|value| value.as_array_mut()) else { continue };
                list.retain(|one| !one.is_null() && *one != "null" && *one != json!({ "type": "null" }));
                if let (1, "type") = (list.len(), key) {
                    object[key] = object[key][0].take();
                }
            }
            object.values_mut().for_each(without_null);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// Compares a text with what is committed; `WRAP_BLESS=1` writes it.
fn hold(file: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("WRAP_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, text).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{file} is not what the settings say; run WRAP_BLESS=1 cargo test --lib schema");
}

#[test]
fn the_schemas_are_those_of_the_settings() {
    for (file, text, has) in [
        ("schema/config.schema.json", schema::<User>(), &[Who::User, Who::Trusted, Who::Anyone][..]),
        ("schema/wrap.schema.json", schema::<Project>(), &[Who::Trusted, Who::Anyone]),
    ] {
        hold(file, &text);
        let schema: serde_json::Value = serde_json::from_str(&text).expect("json");
        let mut found: Vec<&str> =
            schema["properties"].as_object().expect("an object").keys().map(String::as_str).collect();
        let mut expected: Vec<&str> =
            settings().iter().filter(|one| has.contains(&one.who)).map(|one| one.name).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{file}");
    }
}

/// The table of docs/config.md.
#[test]
fn the_reference_is_that_of_the_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md");
    let page = std::fs::read_to_string(&path).expect("docs/config.md");
    let (begin, end) = ("<!-- settings: made by the test -->\n", "<!-- end of settings -->");
    let (before, rest) = page.split_once(begin).expect("the mark");
    let (_, after) = rest.split_once(end).expect("the other mark");
    let mut table = String::from("| key | takes | default | whose | what it is for |\n|---|---|---|---|---|\n");
    for setting in settings() {
        let whose = match setting.who {
            Who::User => "yours",
            Who::Trusted => "yours, and a trusted project's",
            Who::Anyone => "yours, and any project's",
        };
        let default = match setting.value(&super::Config::default()) {
            serde_json::Value::Null => "none".to_owned(),
            value => format!("`{value}`"),
        };
        let row = [
            format!("`{}`", setting.name),
            setting.takes.to_owned(),
            default,
            whose.to_owned(),
            setting.about.to_owned(),
        ];
        // None of the texts has a `|` in it.
        table.extend(["| ", &row.join(" | "), " |\n"]);
    }
    hold("docs/config.md", &[before, begin, &table, end, after].concat());
}
