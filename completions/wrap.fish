# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_wrap_global_optspecs
    string join \n n/name= d/detach pty C= port= h/help V/version
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
complete -c wrap -n "__fish_wrap_needs_command" -s C -d 'Run in DIR' -r -F
complete -c wrap -n "__fish_wrap_needs_command" -l port -d 'The port that it will answer on, where wrap cannot find out' -r
complete -c wrap -n "__fish_wrap_needs_command" -s d -l detach -d 'Leave it running in the background and return'
complete -c wrap -n "__fish_wrap_needs_command" -l pty -d 'Under a terminal of its own also where there is none'
complete -c wrap -n "__fish_wrap_needs_command" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_needs_command" -s V -l version -d 'Print version'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "run" -d 'Run a command (also one whose name is a verb)'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "list" -d 'Show what is running'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "stop" -d 'End instances, and everything that they started'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "clean" -d 'Remove what ended without a trace, and list or end what was orphaned'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c wrap -n "__fish_wrap_needs_command" -f -a "help" -d 'Print this help, or that of a verb'
complete -c wrap -n "__fish_wrap_using_subcommand run" -s n -l name -d 'Call the instance NAME instead of by its project' -r
complete -c wrap -n "__fish_wrap_using_subcommand run" -s C -d 'Run in DIR' -r -F
complete -c wrap -n "__fish_wrap_using_subcommand run" -l port -d 'The port that it will answer on, where wrap cannot find out' -r
complete -c wrap -n "__fish_wrap_using_subcommand run" -s d -l detach -d 'Leave it running in the background and return'
complete -c wrap -n "__fish_wrap_using_subcommand run" -l pty -d 'Under a terminal of its own also where there is none'
complete -c wrap -n "__fish_wrap_using_subcommand run" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand list" -s f -l format -d 'How to print' -r -f -a "human\t'Columns for people'
json\t'An array of objects'
logfmt\t'key=value, a line each'
md\t'A Markdown table'"
complete -c wrap -n "__fish_wrap_using_subcommand list" -s a -l all -d 'Show the unresponsive, orphaned and ending ones too'
complete -c wrap -n "__fish_wrap_using_subcommand list" -l json -d 'The same as --format json'
complete -c wrap -n "__fish_wrap_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c wrap -n "__fish_wrap_using_subcommand stop" -s a -l all -d 'Every instance of yours'
complete -c wrap -n "__fish_wrap_using_subcommand stop" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand clean" -l kill -d 'End what was orphaned'
complete -c wrap -n "__fish_wrap_using_subcommand clean" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand completions" -s h -l help -d 'Print help'
complete -c wrap -n "__fish_wrap_using_subcommand help" -s h -l help -d 'Print help'
