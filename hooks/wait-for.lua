-- Waits before the start until something else is there: a database, another service.
--
-- Options: target = "HOST:PORT" or an URL, or a list of them; seconds = how long altogether (default 30, at most 55);
-- required = false starts the command all the same when they are not there by then
--     hooks = [{ name = "wait-for", target = ["localhost:5432", "http://localhost:9200/_cluster/health"] }]

local targets = wrap.options.target
assert(targets, "option target is missing: what is to be waited for")
if type(targets) == "string" then
    targets = { targets }
end
local seconds = math.min(wrap.options.seconds or 30, 55)

local function is_there(target)
    if target:match("^https?://") then
        return wrap.http({ url = target, timeout = 2 }).ok
    end
    local host, port = target:match("^(.+):(%d+)$")
    assert(host, `\`{target}\` is neither HOST:PORT nor an URL`)
    return wrap.connects(host, tonumber(port), 1)
end

wrap.on("start", { timeout = 60 }, function(instance)
    local deadline = os.clock() + seconds
    for _, target in targets do
        local said = false
        while not is_there(target) do
            if os.clock() > deadline then
                if wrap.options.required == false then
                    wrap.log(`{target} is not there after {seconds} s`)
                    return
                end
                wrap.refuse(`{target} is not there after {seconds} s`)
            end
            if not said then
                wrap.log(`waiting for {target}`)
                said = true
            end
            wrap.sleep(0.2)
        end
    end
end)
