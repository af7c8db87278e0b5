//! `sessiondb completions`.

use crate::support::Place;

#[test]
fn every_shell_has_its_script_and_no_store_is_needed() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = place.ok(&["completions", shell]);
        for word in ["sessiondb", "uncompact", "keep", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert!(!place.path("sessions.db").exists());
}

/// The script is one that the shell reads, and it completes.
#[test]
fn bash_completes_commands() {
    let place = Place::new();
    let file = place.path("completion.bash");
    std::fs::write(&file, place.ok(&["completions", "bash"])).unwrap();
    let script = "source \"$1\"; COMP_WORDS=(sessiondb unc); COMP_CWORD=1; _sessiondb sessiondb unc sessiondb; \
                  echo \"${COMPREPLY[*]}\"";
    let output = std::process::Command::new("bash").args(["-c", script, "bash"]).arg(&file).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "uncompact\n");
}

#[test]
fn another_shell_is_wrong_usage() {
    let run = Place::new().run(&["completions", "dos"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("[possible values: bash, elvish, fish, powershell, zsh]"), "{}", run.stderr);
}
