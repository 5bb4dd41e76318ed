# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_wrap_global_optspecs
    string join \n n/name= d/detach wait= ensure size= json pty C= port= h/help V/version
end

function __fish_wrap_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_wrap_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_wrap_using_subcommand
    set -l cmd (__fish_wrap_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c wrap -n "__fish_wrap_needs_command" -s n -l name -d 'Call the instance NAME instead of by its project' -r
complete -c wrap -n "__fish_wrap_needs_command" -l wait -d 'With --detach: wait until it is ready, SECONDS at most (ready_timeout without)' -r
complete -c wrap -n "__fish_wrap_needs_command" -l size -d 'With --detach: the size of its terminal' -r
complete -c wrap -n "__fish_wrap_needs_command" -s C -d 'Run in DIR' -r -F
complete -c wrap -n "__fish_wrap_needs_command" -l port -d 'The port that it will answer on, where wrap cannot find out' -r
complete -c wrap -n "__fish_wrap_needs_command" -s d -l detach -d 'Leave it running in the background and return'
complete -c wrap -n "__fish_wrap_needs_command" -l ensure -d 'Print the instance of this command that is running and healthy, or start one detached and wait for it'
complete -c wrap -n "__fish_wrap_needs_command" -l json -d 'With --detach: print what was started as JSON'
complete -c wrap -n "__fish_wrap_needs_command" -l pty -d 'Under a terminal of its own also where there is none'
complete -c wrap -n "__fish_wrap_needs_command" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_needs_command" -s V -l version -d 'Print version'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "run" -d 'Run a command (also one whose name is a verb)'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "list" -d 'Show what is running'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "attach" -d 'Take over a running instance: its screen as it is now, then live, and its keys'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "detach" -d 'Let all terminals of an instance go; it runs on'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "send" -d 'Type a line into an instance'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "screen" -d 'Show the screen of an instance as text'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "restart" -d 'Start the command of an instance again, in the same terminal'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "start" -d 'Start an ended instance again, in the background'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "adopt" -d 'Make a process known that wrap did not start'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "show" -d 'Show everything of one instance, also of one that has ended'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "wait" -d 'Wait until an instance is ready, healthy, has printed something or has ended'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "stop" -d 'End instances, and everything that they started'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "logs" -d 'Show what an instance has printed'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "clean" -d 'Remove what ended without a trace, and list or end what was orphaned'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "trust" -d 'Say that a project\'s own hooks may run, see what they are, or take it back'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "hooks" -d 'List, begin, try out and check the hooks'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "config" -d 'Show the settings in force, and where each comes from'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "center" -d 'Run the control center: every instance on one page, and over one API'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "ui" -d 'Open the control center\'s page in the browser'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "doctor" -d 'Look for what is odd, and say how it is mended'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "init" -d 'Print what a shell\'s rc file evaluates: completions and aliases'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "help" -d 'Print this help, or that of a verb'
complete -c wrap -n "__fish_wrap_using_subcommand run" -s n -l name -d 'Call the instance NAME instead of by its project' -r
complete -c wrap -n "__fish_wrap_using_subcommand run" -l wait -d 'With --detach: wait until it is ready, SECONDS at most (ready_timeout without)' -r
complete -c wrap -n "__fish_wrap_using_subcommand run" -l size -d 'With --detach: the size of its terminal' -r
complete -c wrap -n "__fish_wrap_using_subcommand run" -s C -d 'Run in DIR' -r -F
complete -c wrap -n "__fish_wrap_using_subcommand run" -l port -d 'The port that it will answer on, where wrap cannot find out' -r
complete -c wrap -n "__fish_wrap_using_subcommand run" -s d -l detach -d 'Leave it running in the background and return'
complete -c wrap -n "__fish_wrap_using_subcommand run" -l ensure -d 'Print the instance of this command that is running and healthy, or start one detached and wait for it'
complete -c wrap -n "__fish_wrap_using_subcommand run" -l json -d 'With --detach: print what was started as JSON'
complete -c wrap -n "__fish_wrap_using_subcommand run" -l pty -d 'Under a terminal of its own also where there is none'
complete -c wrap -n "__fish_wrap_using_subcommand run" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand list" -s f -l format -d 'How to print' -r -f -a "human\t'Columns for people'
json\t'An array of objects'
logfmt\t'key=value, a line each'
md\t'A Markdown table'"
complete -c wrap -n "__fish_wrap_using_subcommand list" -l sort -d 'Sort by a column (started, the newest first, without)' -r
complete -c wrap -n "__fish_wrap_using_subcommand list" -l filter -d 'Only those of which COLUMN is TEXT, or has TEXT in it (COLUMN~TEXT); may be given again' -r
complete -c wrap -n "__fish_wrap_using_subcommand list" -s o -l output -d 'These columns; with a tab between them in a pipe' -r
complete -c wrap -n "__fish_wrap_using_subcommand list" -s a -l all -d 'Show the unresponsive, orphaned and ending ones too, and the last that have ended'
complete -c wrap -n "__fish_wrap_using_subcommand list" -l json -d 'The same as --format json'
complete -c wrap -n "__fish_wrap_using_subcommand list" -s w -l watch -d 'Show it again at each change, until Ctrl-C'
complete -c wrap -n "__fish_wrap_using_subcommand list" -s q -l quiet -d 'Only the short ids, a line each'
complete -c wrap -n "__fish_wrap_using_subcommand list" -l reverse -d 'The other way round'
complete -c wrap -n "__fish_wrap_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wrap -n "__fish_wrap_using_subcommand attach" -s r -l read-only -d 'Look on: nothing that is typed reaches the command (Ctrl-C leaves, too)'
complete -c wrap -n "__fish_wrap_using_subcommand attach" -l no-replay -d 'Do not draw the screen as it is now, show only what comes'
complete -c wrap -n "__fish_wrap_using_subcommand attach" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand detach" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand send" -s k -l key -d 'Press KEY (after the text, if there is one); may be given again' -r
complete -c wrap -n "__fish_wrap_using_subcommand send" -s n -l no-newline -d 'Do not press Enter behind it'
complete -c wrap -n "__fish_wrap_using_subcommand send" -l raw -d 'Send control sequences as they are'
complete -c wrap -n "__fish_wrap_using_subcommand send" -l json -d 'Print what became of it as JSON'
complete -c wrap -n "__fish_wrap_using_subcommand send" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand screen" -l ansi -d 'With its colours'
complete -c wrap -n "__fish_wrap_using_subcommand screen" -l html -d 'As HTML'
complete -c wrap -n "__fish_wrap_using_subcommand screen" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand restart" -l env-from-here -d 'Give it the environment of this shell, and say what is different'
complete -c wrap -n "__fish_wrap_using_subcommand restart" -l no-wait -d 'Return as soon as it was started'
complete -c wrap -n "__fish_wrap_using_subcommand restart" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand start" -l wait -d 'Wait until it is ready, SECONDS at most (ready_timeout without)' -r
complete -c wrap -n "__fish_wrap_using_subcommand start" -l json -d 'Print what was started as JSON'
complete -c wrap -n "__fish_wrap_using_subcommand start" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand adopt" -s n -l name -d 'Call it NAME instead of by its project' -r
complete -c wrap -n "__fish_wrap_using_subcommand adopt" -l json -d 'Print it as JSON'
complete -c wrap -n "__fish_wrap_using_subcommand adopt" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand show" -s f -l format -d 'How to print' -r -f -a "human\t'Columns for people'
json\t'An array of objects'
logfmt\t'key=value, a line each'
md\t'A Markdown table'"
complete -c wrap -n "__fish_wrap_using_subcommand show" -l json -d 'The same as --format json'
complete -c wrap -n "__fish_wrap_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wrap -n "__fish_wrap_using_subcommand wait" -l for -d 'What to wait for: ready, healthy, exit, or log= and a regular expression' -r
complete -c wrap -n "__fish_wrap_using_subcommand wait" -l timeout -d 'How long at most; without it, for ever' -r
complete -c wrap -n "__fish_wrap_using_subcommand wait" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand stop" -s a -l all -d 'Every instance of yours'
complete -c wrap -n "__fish_wrap_using_subcommand stop" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand logs" -s n -l lines -d 'Only the last N lines' -r
complete -c wrap -n "__fish_wrap_using_subcommand logs" -l since -d 'Only what was printed since then' -r
complete -c wrap -n "__fish_wrap_using_subcommand logs" -l until -d 'Only what was printed until then' -r
complete -c wrap -n "__fish_wrap_using_subcommand logs" -l grep -d 'Only lines that the regular expression RE matches, without their colours' -r
complete -c wrap -n "__fish_wrap_using_subcommand logs" -l stream -d 'Only what was printed to this stream; a terminal has only one, out' -r -f -a "out\t'Standard output'
err\t'Standard error'"
complete -c wrap -n "__fish_wrap_using_subcommand logs" -s f -l follow -d 'Go on with what is printed, until the instance has ended'
complete -c wrap -n "__fish_wrap_using_subcommand logs" -l raw -d 'The bytes as they were printed, with all control sequences'
complete -c wrap -n "__fish_wrap_using_subcommand logs" -l plain -d 'The text alone, on a terminal too'
complete -c wrap -n "__fish_wrap_using_subcommand logs" -s t -l timestamps -d 'Put the local time before each line'
complete -c wrap -n "__fish_wrap_using_subcommand logs" -l json -d 'An object a line: time, stream, line'
complete -c wrap -n "__fish_wrap_using_subcommand logs" -l clear -d 'Empty the log instead of showing it'
complete -c wrap -n "__fish_wrap_using_subcommand logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wrap -n "__fish_wrap_using_subcommand clean" -l kill -d 'End what was orphaned'
complete -c wrap -n "__fish_wrap_using_subcommand clean" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand trust" -l show -d 'Show what would run, with the text'
complete -c wrap -n "__fish_wrap_using_subcommand trust" -l revoke -d 'Take it back'
complete -c wrap -n "__fish_wrap_using_subcommand trust" -l list -d 'Show what is trusted, and whether it is still what it was'
complete -c wrap -n "__fish_wrap_using_subcommand trust" -l prune -d 'Forget what is gone or was changed'
complete -c wrap -n "__fish_wrap_using_subcommand trust" -l json -d 'With --list, an array of objects'
complete -c wrap -n "__fish_wrap_using_subcommand trust" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and not __fish_seen_subcommand_from list new test check" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and not __fish_seen_subcommand_from list new test check" -f -a "list" -d 'Show which hooks there are, what they handle, and what came of them the last time'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and not __fish_seen_subcommand_from list new test check" -f -a "new" -d 'Begin a hook of your own'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and not __fish_seen_subcommand_from list new test check" -f -a "test" -d 'Run the handlers of an event for a made or a live instance, and show what they did'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and not __fish_seen_subcommand_from list new test check" -f -a "check" -d 'Look for mistakes, with line and column'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and __fish_seen_subcommand_from list" -l json -d 'An array of objects'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and __fish_seen_subcommand_from new" -l from -d 'As a copy of one that ships with wrap' -r
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and __fish_seen_subcommand_from new" -l project -d 'In this project\'s `.wrap/hooks/`, for everybody who trusts it'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and __fish_seen_subcommand_from test" -l target -d 'For this instance instead of a made one' -r
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and __fish_seen_subcommand_from test" -l line -d 'What the command has written, for `line`' -r
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand hooks; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand config" -l schema -d 'Print the JSON Schema of a file instead' -r -f -a "user\t'`config.toml`'
project\t'`wrap.toml`'"
complete -c wrap -n "__fish_wrap_using_subcommand config" -l json -d 'An object, with the value and the source of each'
complete -c wrap -n "__fish_wrap_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wrap -n "__fish_wrap_using_subcommand center" -l port -d 'Listen on this port (8969, or that of `center` in the configuration, without)' -r
complete -c wrap -n "__fish_wrap_using_subcommand center" -l allowed-origin -d 'Let pages of another origin ask, too; may be given again' -r
complete -c wrap -n "__fish_wrap_using_subcommand center" -s d -l detach -d 'Run in the background'
complete -c wrap -n "__fish_wrap_using_subcommand center" -l stop -d 'End the one that runs'
complete -c wrap -n "__fish_wrap_using_subcommand center" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand ui" -l print -d 'Print the link instead of opening it'
complete -c wrap -n "__fish_wrap_using_subcommand ui" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand doctor" -l json -d 'An array of objects: name, state (well, note, problem), said, fix'
complete -c wrap -n "__fish_wrap_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand init" -l alias -d 'One more alias, or another in the place of a configured one; may be given again' -r
complete -c wrap -n "__fish_wrap_using_subcommand init" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand completions" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand help" -s h -l help -d 'Print help'
