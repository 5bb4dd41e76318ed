-- Collects the lines that look like errors into a file, with the time, beyond the life of one run.
--
-- Options: pattern = what an error looks like (default below); file = where to, as seen from the project (default:
-- "wrap-errors.log"; a name for your .gitignore)
--     hooks = [{ name = "log-errors", pattern = "ERROR|WARN" }]

local PATTERN = "(?i)\\b(error|exception|panic|panicked|fatal|traceback)\\b"

-- A file of more than this is moved aside, so that two of them are the most there ever is.
local LARGEST = 512 * 1024

local size

local function keep(file, text)
    local before
    if not size or size >= LARGEST then
        -- One that is too large to be read is too large anyway.
        local read, text = pcall(wrap.fs.read, file)
        before = if read then text else nil
        size = if read then #(text or "") else LARGEST
    end
    if size >= LARGEST then
        if before then
            wrap.fs.write(file .. ".old", before)
        end
        wrap.fs.write(file, "")
        size = 0
    end
    wrap.fs.append(file, text)
    size += #text
end

wrap.on("line", { pattern = wrap.options.pattern or PATTERN }, function(instance, line, about)
    local file = instance.projectRoot .. "/" .. (wrap.options.file or "wrap-errors.log")
    local missed = if about.missed > 0 then ` (and {about.missed} lines before it)` else ""
    keep(file, `{os.date("%Y-%m-%d %H:%M:%S")} {instance.projectName} {about.stream} {line}{missed}\n`)
end)
