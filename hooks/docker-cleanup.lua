-- At the end of a `docker compose up`, takes down what it leaves: stopped containers and their network. Volumes stay.
--
-- Options: args = further arguments of `docker compose down`; always = true does it for every command of a project that
-- has containers running, not only for compose itself
--     hooks = [{ name = "docker-cleanup", args = ["--remove-orphans"] }]

wrap.on("exit", { timeout = 60 }, function(instance)
    if instance.detectedType ~= "docker-compose" and not wrap.options.always then
        return
    end
    local compose = { "docker", "compose", cwd = instance.projectRoot }
    local function with(...)
        local words = table.clone(compose)
        for _, word in { ... } do
            table.insert(words, word)
        end
        return words
    end
    local left = wrap.run(with("ps", "--all", "--quiet"))
    if not left.ok or left.stdout == "" then
        return
    end
    local down = wrap.run(with("down", table.unpack(wrap.options.args or {})))
    wrap.log(if down.ok then "took the containers down" else `docker compose down: {down.error or down.stderr}`)
end)
