# Of wrap: asks `wrap __complete` at each Tab. `wrap completions pwsh` prints this.

Register-ArgumentCompleter -Native -CommandName wrap -ScriptBlock {
    param($current, $line, $cursor)
    $words = @($line.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursor -or ($_.Extent.EndOffset -eq $cursor -and $current -eq '') } | ForEach-Object { $_.Extent.Text })
    $program = @(Get-Command -Name wrap -CommandType Application -ErrorAction SilentlyContinue)[0]
    if ($null -eq $program) { return }
    $answer = @(& $program __complete $words.Count @words "$current" 2>$null)
    if ($answer.Count -eq 0) { return }
    foreach ($candidate in ($answer | Select-Object -Skip 1)) {
        $value, $about = $candidate -split "`t", 2
        if (-not $about) { $about = $value }
        # Of all characters only these need no quotes; a name from a manifest may have others, and must stay one word.
        $typed = if ($value -match '^[A-Za-z0-9_.:=/%+-]+$') { $value } else { "'" + $value.Replace("'", "''") + "'" }
        [System.Management.Automation.CompletionResult]::new($typed, $value, 'ParameterValue', $about)
    }
    if ($answer[0] -match '^command (\d+)$') {
        $inner = ((@($words) + @("$current")) | Select-Object -Skip ([int]$Matches[1])) -join ' '
        [System.Management.Automation.CommandCompletion]::CompleteInput($inner, $inner.Length, $null).CompletionMatches
    }
}
