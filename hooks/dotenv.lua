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
    "^PATH$", "^IFS$", "^SHELL$", "^SHELLOPTS$", "^PROMPT_COMMAND$", "^ZDOTDIR$", "^JAVA_TOOL_OPTIONS$",
    "^_JAVA_OPTIONS$", "^JDK_JAVA_OPTIONS$", "^CLASSPATH$", "^MAVEN_OPTS$", "^MAVEN_ARGS$", "^GRADLE_OPTS$",
    "^EDITOR$", "^VISUAL$", "^PAGER$", "^BROWSER$", "^SSH_ASKPASS$", "^MAKEFILES$", "^MAKEFLAGS$", "^GNUMAKEFLAGS$",
    "^YARN_RC_FILENAME$", "^YARN_YARN_PATH$", "^BUN_OPTIONS$", "^DENO_DIR$", "^CARGO_HOME$", "^CARGO_TARGET_", "^CARGO_BUILD_",
    "^CARGO_ALIAS_", "^RUSTC$", "^RUSTC_", "^RUSTFLAGS$", "^RUSTDOC$", "^GOFLAGS$", "^GOENV$", "^GOROOT$", "^GEM_HOME$",
    "^GEM_PATH$", "^BUNDLE_GEMFILE$", "^BUNDLE_PATH$", "^BUNDLE_APP_CONFIG$", "^BUNDLE_BIN", "^PHPRC$", "^PHP_INI_",
    "^OPENSSL_CONF$", "^OPENSSL_ENGINES$", "^OPENSSL_MODULES$", "^GCONV_PATH$", "^GLIBC_TUNABLES$", "^LUA_INIT", "^LUA_PATH",
    "^LUA_CPATH", "^DOCKER_HOST$", "^DOCKER_CONFIG$", "^DOCKER_CONTEXT$", "^COMPOSE_FILE$", "^UV_INDEX", "^UV_DEFAULT_INDEX$",
    "^UV_PYTHON", "^UV_CONFIG_FILE$", "^UV_FIND_LINKS$", "^PIP_INDEX_URL$", "^PIP_EXTRA_INDEX_URL$", "^PIP_CONFIG_FILE$",
}

local function may_be_set(name)
    -- npm takes these in any case.
    if name:lower():match("^p?npm_config_") then
        return false
    end
    for _, pattern in NEVER do
        if name:match(pattern) then
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
    local taken, refused = {}, {}
    for _, file in wrap.options.files or { ".env.local", ".env" } do
        local text = wrap.fs.read(instance.projectRoot .. "/" .. file) or ""
        for line in text:gmatch("[^\r\n]+") do
            local name, rest = line:gsub("^%s*export%s+", ""):match("^%s*([%a_][%w_]*)%s*=%s*(.*)$")
            local is_free = name and not taken[name] and (wrap.options.override or instance.env[name] == nil)
            if is_free and not may_be_set(name) then
                table.insert(refused, "`" .. name .. "`")
            elseif is_free then
                instance.env[name] = value_of(rest)
                taken[name] = true
            end
        end
    end
    if #refused > 0 then
        wrap.log("left out of .env: " .. table.concat(refused, ", ") .. "; set it yourself if it may run something else")
    end
end)
