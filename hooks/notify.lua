-- Tells you, in the terminal and on the desktop, when the app is ready, when it stops answering, and when it ends in a
-- way that you did not ask for.
--
-- Options: on = a list of these that you want to hear of (default: all three)
--     hooks = [{ name = "notify", on = ["exit", "unhealthy"] }]

local wanted = wrap.options.on or { "ready", "unhealthy", "exit" }
for _, event in wanted do
    local known = event == "ready" or event == "unhealthy" or event == "exit"
    assert(known, `option on: \`{event}\` is none of ready, unhealthy and exit`)
end

local function is_wanted(event)
    return table.find(wanted, event) ~= nil
end

wrap.on("ready", function(instance)
    if is_wanted("ready") then
        wrap.notify(if instance.url then "ready at " .. instance.url else "ready")
    end
end)

wrap.on("unhealthy", function(instance)
    if is_wanted("unhealthy") then
        wrap.notify("does not answer any more")
    end
end)

wrap.on("exit", function(instance)
    -- Ctrl-C and `wrap stop` are no news.
    local asked = instance.signal == "SIGINT" or instance.signal == "SIGTERM" or instance.exitCode == 130
    if is_wanted("exit") and not asked and instance.exitCode ~= 0 then
        local how = if instance.signal then "was killed by " .. instance.signal else "exited with " .. instance.exitCode
        local last = instance.lastLines[#instance.lastLines]
        wrap.notify(if last then how .. ": " .. last else how)
    end
end)
