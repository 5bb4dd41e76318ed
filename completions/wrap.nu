# Of wrap: asks `wrap __complete` at each Tab. `wrap completions nu` prints this.
# nushell has a `wrap` of its own, which makes tables: it is `^wrap` that is meant.

$env.config.completions.external.completer = do {
    # What completes all other commands goes on doing so, and completes what is wrapped.
    let others = $env.config.completions.external.completer
    {|typed|
        let alias = (scope aliases | where name == $typed.0 | get 0?.expansion)
        let spans = if $alias == null { $typed | update 0 { str trim --char "^" } } else {
            ($alias | str trim --char '^' | split row --regex '\s+') | append ($typed | skip 1)
        }
        if $spans.0 != 'wrap' {
            if $others == null { null } else { do $others $typed }
        } else {
            let answer = (^wrap __complete (($spans | length) - 1) ...$spans | lines)
            let first = ($answer | get 0? | default 'words')
            let own = ($answer | skip 1 | each {|line|
                let parts = ($line | split row --number 2 "\t")
                # Of all characters only these need no quotes; a name from a manifest may have others, and must stay one word.
                let plain = ($parts.0 =~ '^[A-Za-z0-9_.,:=/@%+-]+$')
                { value: (if $plain { $parts.0 } else { $parts.0 | to json }), description: ($parts.1? | default '') }
            })
            if ($first starts-with 'command ') and ($own | is-empty) {
                let inner = ($spans | skip ($first | split row ' ' | get 1 | into int))
                if $others == null { null } else { do $others $inner }
            } else if $first in [files directories] {
                null
            } else {
                $own
            }
        }
    }
}
