-- Gives the command the variables of `.env`, for programs that do not read it themselves. What the environment has
-- already stays, as does what a file further to the left says; variables that make a program run something else (PATH,
-- NODE_OPTIONS, LD_PRELOAD and their like) are never taken from a file. A value is one line, and `${…}` in it stays as it is.
--
-- Options: files = which files, as seen from the project (default: ".env.local", ".env"); override = true lets the files
-- win over the environment
--     hooks = [{ name = "dotenv", files = [".env.development", ".env"] }]

-- What runs code in the program that is started, or in what it starts: a stranger's `.env` must not say it.
local NEVER = {
    "^LD_", "^DYLD_", "^GIT_", "^WRAP", "^BASH_", "^PYTHON", "^RUBY", "^PERL", "^NODE_OPTIONS$", "^NODE_PATH$", "^ENV$",
    "^PATH$", "^IFS$", "^SHELLOPTS$", "^PROMPT_COMMAND$", "^ZDOTDIR$", "^JAVA_TOOL_OPTIONS$", "^_JAVA_OPTIONS$",
    "^JDK_JAVA_OPTIONS$", "^EDITOR$", "^VISUAL$", "^PAGER$", "^BROWSER$", "^SHELL$", "^MAKE", "^NPM_CONFIG_", "^PNPM_",
    "^YARN_", "^BUN_", "^DENO_", "^CARGO_", "^RUSTC", "^RUSTFLAGS$", "^GOFLAGS$", "^GOENV$", "^GEM_", "^BUNDLE_", "^PHPRC$",
    "^PHP_INI_", "^OPENSSL_CONF$", "^OPENSSL_ENGINES$", "^GCONV_PATH$", "^CLASSPATH$", "^MAVEN_", "^GRADLE_", "^DOCKER_",
    "^COMPOSE_FILE$", "^BUILDKIT_", "^SSH_ASKPASS$", "^GLIBC_TUNABLES$", "^NODE_REPL_", "^PIP_", "^UV_", "^LUA_",
}

local function may_be_set(name)
    for _, pattern in NEVER do
        -- npm, and who knows who else, takes any case.
        if name:upper():match(pattern) then
            return false
        end
    end
    return true
end

local ESCAPES = { n = "\n", r = "\r", t = "\t", ["\\"] = "\\", ['"'] = '"', ["$"] = "$" }

local function value_of(text)
    local single = text:match("^'([^']*)'")
    if single then
        return single
    end
    if text:sub(1, 1) == '"' then
        local out, at = {}, 2
        while at <= #text and text:sub(at, at) ~= '"' do
            local char = text:sub(at, at)
            if char == "\\" then
                at += 1
                char = ESCAPES[text:sub(at, at)] or "\\" .. text:sub(at, at)
            end
            table.insert(out, char)
            at += 1
        end
        return table.concat(out)
    end
    -- A comment begins behind a space; without one, `#` is part of a colour or an anchor.
    return (text:gsub("%s+#.*$", ""):gsub("^#.*$", ""):gsub("%s+$", ""))
end

wrap.on("start", function(instance)
    local taken = {}
    for _, file in wrap.options.files or { ".env.local", ".env" } do
        local text = wrap.fs.read(instance.projectRoot .. "/" .. file) or ""
        for line in text:gmatch("[^\r\n]+") do
            local name, rest = line:gsub("^%s*export%s+", ""):match("^%s*([%a_][%w_]*)%s*=%s*(.*)$")
            local is_free = name and may_be_set(name) and not taken[name] and (wrap.options.override or instance.env[name] == nil)
            if is_free then
                instance.env[name] = value_of(rest)
                taken[name] = true
            end
        end
    end
end)
