-- Before the start, stops what wrap knows of this project's on the port that is wanted: the server of this morning, in
-- a terminal that nobody finds again. What is not of this project is left, and said.
--
-- Options: port = the port, where neither `wrap --port` nor the settings say it
--     hooks = [{ name = "free-port", port = 3000 }]

wrap.on("start", { timeout = 15 }, function(instance)
    local port = instance.wantedPort or wrap.options.port
    if not port or wrap.port_free(port) then
        return
    end
    for _, other in wrap.instances() do
        if other.port == port and other.instanceId ~= instance.instanceId then
            if other.projectRoot ~= instance.projectRoot then
                wrap.log(`port {port} is held by {other.projectName}; \`wrap stop :{port}\` ends it`)
                return
            end
            local stopped = wrap.run({ wrap.program, "stop", other.instanceId })
            wrap.log(if stopped.ok then `stopped {other.projectName}, which held port {port}` else stopped.stderr)
            return
        end
    end
    wrap.log(`port {port} is held by a program that wrap has not started`)
end)
