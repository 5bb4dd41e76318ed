//! The published ports in the `ports` of a service, in compose's short and long forms.

use super::variables::Variables;
use serde_json::Value;
use std::ops::RangeInclusive;

/// The ports of this machine that one element of `ports` publishes. `None` where it names none (docker picks one
/// then) or is not about TCP. Where a range of the machine stands for one port of the container, docker takes a
/// free one of it: the whole range is given, since nothing tells which one it will be.
pub(super) fn published(port: &Value, variables: &Variables) -> Option<RangeInclusive<u16>> {
    match port {
        Value::String(text) => short(&variables.expand(text)),
        Value::Object(long) => {
            let protocol = long.get("protocol").and_then(Value::as_str).map(|protocol| variables.expand(protocol));
            match long.get("published")? {
                _ if !protocol.as_deref().is_none_or(is_tcp) => None,
                Value::String(text) => range(&variables.expand(text)),
                number => single(number.as_u64()?).map(|port| port..=port),
            }
        }
        // A number alone is a port of the container.
        _ => None,
    }
}

/// `[[address:]published:]container[/protocol]`.
fn short(text: &str) -> Option<RangeInclusive<u16>> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (published, _container) = ports.rsplit_once(':')?;
    // An address may have colons of its own: `[::1]:8080:80`.
    let published = published.rsplit_once(':').map_or(published, |(_address, published)| published);
    if is_tcp(protocol) { range(published) } else { None }
}

fn is_tcp(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("tcp")
}

/// `8080` or `8080-8090`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (single(first.trim().parse().ok()?)?, single(last.trim().parse().ok()?)?);
    (first <= last).then_some(first..=last)
}

/// Port 0 asks for any.
fn single(number: u64) -> Option<u16> {
    u16::try_from(number).ok().filter(|&port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::env;
    use super::*;
    use serde_json::json;
    use std::path::Path;

    #[test]
    fn every_form_of_a_port_is_read() {
        let env = env(&[("PORT", "7000")]);
        let variables = Variables::new(Path::new("/nowhere"), &env);
        for (port, expected) in [
            (json!("8080:80"), Some(8080..=8080)),
            (json!("127.0.0.1:8001:8001"), Some(8001..=8001)),
            (json!("[::1]:8002:80"), Some(8002..=8002)),
            (json!("::1:8003:80"), Some(8003..=8003)),
            (json!("9090-9091:8080-8081"), Some(9090..=9091)),
            (json!("49100:22/tcp"), Some(49100..=49100)),
            (json!("6060:6060/udp"), None),
            (json!("3000-3005"), None),
            (json!("80"), None),
            (json!(80), None),
            (json!("127.0.0.1::80"), None),
            (json!("127.0.0.1:80"), None),
            (json!("0:80"), None),
            (json!("70000:80"), None),
            (json!("9-8:1-2"), None),
            (json!("$PORT:80"), Some(7000..=7000)),
            (json!("${OTHER:-7001}:${OTHER:-80}"), Some(7001..=7001)),
            (json!("${OTHER}:80"), None),
            (json!({"target": 80, "published": 8080}), Some(8080..=8080)),
            (json!({"target": 80, "published": "8081", "protocol": "tcp", "mode": "host"}), Some(8081..=8081)),
            (json!({"target": 80, "published": "8080-8090"}), Some(8080..=8090)),
            (json!({"target": 80, "published": "${PORT}"}), Some(7000..=7000)),
            (json!({"target": 53, "published": 53, "protocol": "udp"}), None),
            (json!({"target": 80}), None),
            (json!({"target": 80, "published": [1]}), None),
            (json!(null), None),
        ] {
            assert_eq!(published(&port, &variables), expected, "{port}");
        }
    }
}
