-- NAME: what this hook is for.
--
-- Delete what you do not need. `wrap hooks test EVENT NAME` tries a handler out, `wrap hooks check` looks for mistakes,
-- and docs/hooks.md has recipes.

-- Before the command starts: it waits for this, 2 s at most; `{ timeout = 30 }` before the function allows more.
wrap.on("start", function(instance)
    -- instance.env.DATABASE_URL = "postgres://localhost/dev"   -- a variable for the command; false removes one
    -- table.insert(instance.cmdArgs, 1, "nice")                -- words in front of it, or others
    -- wrap.rename(instance.projectName .. " " .. (instance.branch or ""))
    -- wrap.refuse("not on a Friday")                           -- it does not start
end)

-- Its port answers.
wrap.on("ready", function(instance)
    -- wrap.open(instance.url)
end)

-- It does not answer any more; `healthy` when it does again.
-- wrap.on("unhealthy", function(instance) wrap.notify("hangs") end)

-- A line of its output; the pattern is a regular expression.
-- wrap.on("line", { pattern = "ERROR" }, function(instance, line) wrap.log(line) end)

-- It has ended: exitCode or signal, duration in milliseconds, lastLines.
wrap.on("exit", function(instance)
    -- if instance.exitCode ~= 0 then wrap.notify(instance.lastLines[#instance.lastLines]) end
end)

-- It was found dead or orphaned by a later command: "remove", "keep" or "kill".
-- wrap.on("stale", function(instance) return "kill" end)
