-- Posts to a Slack channel (or whatever takes `{"text": …}`) when the app crashes or stops answering.
--
-- Options: url = the webhook (default: the variable SLACK_WEBHOOK_URL); lines = how many of its last lines go along
-- (default 5)
--     hooks = [{ name = "slack", lines = 10 }]

local function post(text)
    local url = wrap.options.url or wrap.env("SLACK_WEBHOOK_URL")
    if not url then
        wrap.log("there is no webhook: set SLACK_WEBHOOK_URL")
        return
    end
    local answer = wrap.http({ url = url, json = { text = text }, timeout = 5 })
    if not answer.ok then
        wrap.log("the webhook did not take it: " .. (answer.error or `it answered {answer.status}`))
    end
end

wrap.on("unhealthy", { timeout = 6 }, function(instance)
    post(`{instance.projectName} does not answer any more`)
end)

wrap.on("exit", { timeout = 6 }, function(instance)
    local asked = instance.signal == "SIGINT" or instance.signal == "SIGTERM" or instance.exitCode == 130
    if asked or instance.exitCode == 0 then
        return
    end
    local how = if instance.signal then `was killed by {instance.signal}` else `exited with {instance.exitCode}`
    local lines = instance.lastLines
    local first = math.max(1, #lines - (wrap.options.lines or 5) + 1)
    local last = table.concat(lines, "\n", first)
    post(`{instance.projectName} {how}` .. (if last == "" then "" else "\n```\n" .. last .. "\n```"))
end)
