-- Opens the app in the browser when it is ready; once in a run, not again at each restart.
--
-- Options: path = what to open of it (default: what its own URL says)
--     hooks = [{ name = "open-browser", path = "/admin" }]

local is_open = false

wrap.on("ready", { timeout = 5 }, function(instance)
    if is_open or not instance.url then
        return
    end
    is_open = true
    local url = instance.url
    if wrap.options.path then
        url = url:match("^%a+://[^/]+") .. "/" .. wrap.options.path:gsub("^/", "")
    end
    if not wrap.open(url) then
        wrap.log("there is no browser here; open " .. url)
    end
end)
