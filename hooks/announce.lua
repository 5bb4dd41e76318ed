-- Says on stderr when a run starts, answers, starts again and ends, and gives the command a variable.
-- To use it: cp hooks/announce.lua ~/.config/wrap/hooks/

wrap.on("start", function(instance)
    instance.env.WRAPPED_AS = instance.projectName
    wrap.log("starting " .. instance.command)
end)

wrap.on("ready", function(instance)
    wrap.log("ready at " .. instance.url)
end)

wrap.on("restart", function(instance)
    wrap.log("run " .. instance.runId)
end)

wrap.on("exit", function(instance)
    local how = if instance.signal then "by " .. instance.signal else "with " .. instance.exitCode
    wrap.log(string.format("ended %s after %.1f s", how, instance.duration / 1000))
end)

-- Found by a later command: its keeper was killed, and perhaps it lives on. "remove", "keep" or "kill".
wrap.on("stale", function(instance)
    wrap.log(instance.projectName .. " was left behind, " .. instance.status)
    return if instance.status == "dead" then "remove" else "keep"
end)
