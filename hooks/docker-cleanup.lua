-- At the end of a `docker compose up`, takes down what it leaves: stopped containers and their network. Volumes stay.
-- One that leaves its containers running on purpose (-d, --wait) is left alone.
--
-- Options: args = further arguments of `docker compose down`
--     hooks = [{ name = "docker-cleanup", args = ["--remove-orphans"] }]

local ON_PURPOSE = { "-d", "--detach", "--wait" }

-- The words before `up`, which say what project it is about; nothing for any other command.
local function words_before_up(words)
    local before = {}
    local is_compose = false
    for _, word in words do
        if word == "up" and is_compose then
            return before
        end
        is_compose = is_compose or word == "compose" or word:match("docker%-compose$") ~= nil
        table.insert(before, word)
    end
    return nil
end

wrap.on("exit", { timeout = 60 }, function(instance)
    local compose = words_before_up(instance.cmdArgs)
    if not compose then
        return
    end
    for _, word in instance.cmdArgs do
        if table.find(ON_PURPOSE, word) then
            return
        end
    end
    local function with(words)
        local all = table.clone(compose)
        for _, word in words do
            table.insert(all, word)
        end
        return all
    end
    local left = wrap.run(with({ "ps", "--all", "--quiet" }))
    if not left.ok or left.stdout == "" then
        return
    end
    local down = with({ "down" })
    for _, word in wrap.options.args or {} do
        table.insert(down, word)
    end
    local ended = wrap.run(down)
    wrap.log(if ended.ok then "took the containers down" else `docker compose down: {ended.error or ended.stderr}`)
end)
