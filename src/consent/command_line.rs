//! What a process does by the name of its program and the words that it was started with: whether it is a shell, an interpreter
//! or a program that only starts another, and which file its code is in. The first word is passed over: it is whatever who
//! started it made of it. What is not understood is taken for a program of its own.

/// What kind of program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It reads commands, from a file, its command line or a person.
    Shell,
    /// It starts what its words say, and is nobody by itself.
    Wrapper,
    /// It executes code.
    Interpreter(&'static Family),
    /// It is what it is.
    Program,
}

/// Where the code is that is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// In the file of this path, as it was given.
    File(Vec<u8>),
    /// In a module, which the interpreter finds by this name.
    Module(String),
    /// On the command line.
    Words,
    /// On the standard input, be that a file or a person at a terminal.
    Input,
}

/// Interpreters that take their words in one way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// Their names, without a version.
    names: &'static [&'static str],
    /// Whether several letters may stand behind one dash.
    letters: Letters,
    /// The options that take the next word, or the rest of theirs.
    value: &'static [&'static str],
    /// Those whose value is code.
    code: &'static [&'static str],
    /// Those whose value is a module's name.
    module: &'static [&'static str],
    /// Those whose value is a file of code.
    file: &'static [&'static str],
    /// Words before the file's.
    verbs: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    Together,
    Alone,
}

const FAMILIES: [Family; 7] = [
    Family {
        names: &["python", "pypy"],
        letters: Letters::Together,
        value: &["-W", "-X", "--check-hash-based-pycs"],
        code: &["-c"],
        module: &["-m"],
        file: &[],
        verbs: &[],
    },
    Family {
        names: &["node", "nodejs", "bun", "deno"],
        letters: Letters::Alone,
        value: &["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--preload"],
        code: &["-e", "--eval", "-p", "--print", "-pe"],
        module: &[],
        file: &[],
        verbs: &["run", "inspect"],
    },
    Family {
        names: &["ruby"],
        letters: Letters::Together,
        value: &["-I", "-r", "-C", "-E", "-F", "-K", "-T", "-W", "-x"],
        code: &["-e"],
        module: &[],
        file: &[],
        verbs: &[],
    },
    Family {
        names: &["perl"],
        letters: Letters::Together,
        value: &["-I", "-M", "-m", "-C", "-D", "-F", "-V", "-x", "-0", "-i", "-l"],
        code: &["-e", "-E"],
        module: &[],
        file: &[],
        verbs: &[],
    },
    Family {
        names: &["php"],
        letters: Letters::Alone,
        value: &["-c", "-d", "-z"],
        code: &["-r", "--run", "-B", "-R", "-E"],
        module: &[],
        file: &["-f", "--file", "-F"],
        verbs: &[],
    },
    Family {
        names: &["java"],
        letters: Letters::Alone,
        value: &["-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules", "--add-opens"],
        code: &[],
        module: &["-m", "--module"],
        file: &["-jar"],
        verbs: &[],
    },
    Family {
        names: &["dotnet"],
        letters: Letters::Alone,
        value: &["--additionalprobingpath", "--additional-deps", "--fx-version", "--roll-forward"],
        code: &[],
        module: &[],
        file: &[],
        verbs: &["exec"],
    },
];

/// Those of perl's and ruby's letters whose value never is the next word.
const OWN_VALUE: [&str; 8] = ["-C", "-D", "-V", "-x", "-0", "-i", "-l", "-T"];

const SHELLS: [&str; 12] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "yash", "tcsh", "csh", "rbash"];

const WRAPPERS: [&str; 19] = [
    "env", "nice", "nohup", "setsid", "time", "timeout", "stdbuf", "ionice", "chrt", "taskset", "flock", "xargs",
    "watch", "script", "sudo", "su", "doas", "runuser", "unshare",
];

/// Programs that are many: which one, the name says by which each is called, or else its first word.
const MANY: [&str; 3] = ["busybox", "toybox", "coreutils"];

/// What kind the program of this name is, and its words without its own name.
pub(super) fn kind_of<'a>(name: &str, arguments: &'a [Vec<u8>]) -> (Kind, &'a [Vec<u8>]) {
    let Some((own, words)) = arguments.split_first() else { return (by_name(name), &[]) };
    if !MANY.contains(&name) {
        return (by_name(name), words);
    }
    let called = own.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let called = std::str::from_utf8(called).unwrap_or_default().trim_start_matches('-');
    match words.split_first() {
        Some((first, words)) if called == name => (by_name(std::str::from_utf8(first).unwrap_or_default()), words),
        _ => (by_name(called), words),
    }
}

fn by_name(name: &str) -> Kind {
    let plain = name.trim_end_matches(|character: char| character.is_ascii_digit() || ".-".contains(character));
    if SHELLS.contains(&name) || SHELLS.contains(&plain) {
        Kind::Shell
    } else if WRAPPERS.contains(&name) {
        Kind::Wrapper
    } else {
        let family = FAMILIES.iter().find(|family| family.names.contains(&plain));
        family.map_or(Kind::Program, Kind::Interpreter)
    }
}

/// Where the code of a shell is that was started with these words.
pub(super) fn of_shell(words: &[Vec<u8>]) -> Code {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match &word[..] {
            b"--" | b"-" => return words.next().map_or(Code::Input, |word| Code::File(word.clone())),
            b"--rcfile" | b"--init-file" | b"--init-command" | b"-C" => {
                words.next();
            }
            [b'-', b'-', rest @ ..] if rest.starts_with(b"command") => return Code::Words,
            [b'-', b'-', ..] => {}
            [b'-' | b'+', letters @ ..] => {
                if word[0] == b'-' && letters.contains(&b'c') {
                    return Code::Words;
                }
                if word[0] == b'-' && letters.contains(&b's') {
                    return Code::Input;
                }
                // The name of an option, or of one of bash's.
                if letters.iter().any(|letter| b"oO".contains(letter)) {
                    words.next();
                }
            }
            _ => return Code::File(word.clone()),
        }
    }
    Code::Input
}

impl Family {
    /// Where the code is that one of them executes, which was started with these words.
    pub(super) fn code_of(&self, words: &[Vec<u8>]) -> Code {
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let text = String::from_utf8_lossy(word);
            if text == "-" {
                return Code::Input;
            }
            if text == "--" {
                return words.next().map_or(Code::Input, |word| Code::File(word.clone()));
            }
            if !text.starts_with('-') {
                if self.verbs.contains(&&*text) {
                    continue;
                }
                return self.file_or_class(word);
            }
            let Some((option, own)) = self.option_in(&text) else { continue };
            let mut value = || own.map_or_else(|| words.next().cloned(), |own| Some(own.as_bytes().to_vec()));
            if self.code.contains(&option) {
                return Code::Words;
            }
            if self.module.contains(&option) {
                return Code::Module(String::from_utf8_lossy(&value().unwrap_or_default()).into_owned());
            }
            if self.file.contains(&option) {
                return value().map_or(Code::Input, Code::File);
            }
            if self.value.contains(&option) && (self.letters == Letters::Alone || !OWN_VALUE.contains(&option)) {
                value();
            }
        }
        Code::Input
    }

    /// The option in a word that may have a value, with that if it stands in the same word.
    fn option_in<'a>(&self, word: &'a str) -> Option<(&'a str, Option<&'a str>)> {
        if self.letters == Letters::Alone || word.starts_with("--") {
            return match word.split_once('=') {
                Some((option, value)) => Some((option, Some(value))),
                None => Some((word, None)),
            };
        }
        let all = [self.value, self.code, self.module, self.file].concat();
        for (place, letter) in word.char_indices().skip(1) {
            // Each of one letter; all others have no value.
            let found = all.iter().find(|option| option.len() == 2 && option.ends_with(letter));
            if let Some(option) = found {
                let rest = &word[place + letter.len_utf8()..];
                return Some((option, Some(rest).filter(|rest| !rest.is_empty())));
            }
        }
        None
    }

    /// Java's first word is a class, found as a module is.
    fn file_or_class(&self, word: &[u8]) -> Code {
        let is_class = self.names.contains(&"java") && !word.ends_with(b".java");
        if is_class { Code::Module(String::from_utf8_lossy(word).into_owned()) } else { Code::File(word.to_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()
    }

    fn file(path: &str) -> Code {
        Code::File(path.as_bytes().to_vec())
    }

    #[test]
    fn a_shell_s_code_is_in_a_file_on_its_command_line_or_what_it_reads() {
        for (line, code) in [
            ("sh -c az", Code::Words),
            ("bash -lc az script", Code::Words),
            ("bash -o pipefail -ec az", Code::Words),
            ("bash script.sh -c", file("script.sh")),
            ("bash -eo pipefail ./s.sh", file("./s.sh")),
            ("bash --rcfile mine -i", Code::Input),
            ("zsh", Code::Input),
            ("bash -s -- x", Code::Input),
            ("sh -- -c", file("-c")),
            ("sh +x s", file("s")),
            ("fish --command=az", Code::Words),
            ("fish -C init x.fish", file("x.fish")),
        ] {
            let words = words(line);
            let (kind, rest) = kind_of(line.split(' ').next().unwrap(), &words);
            assert_eq!((kind, of_shell(rest)), (Kind::Shell, code), "{line}");
        }
    }

    #[test]
    fn an_interpreter_s_code_is_found_whatever_stands_before_it() {
        for (line, code) in [
            ("python3.11 s.py known.py", file("s.py")),
            ("python3 -X /known.py s.py", file("s.py")),
            ("python3 -Werror -u s.py", file("s.py")),
            ("python3 -Im pip", Code::Module("pip".into())),
            ("python3 -mpip install", Code::Module("pip".into())),
            ("python3 -uc print() s.py", Code::Words),
            ("python3 - s.py", Code::Input),
            ("python3", Code::Input),
            ("node -r ./known.js s.js", file("s.js")),
            ("node --require=./known.js s.js", file("s.js")),
            ("node -e x known.js", Code::Words),
            ("deno run --allow-run s.ts", file("s.ts")),
            ("ruby -I lib -w s.rb", file("s.rb")),
            ("perl -ne print known.pl", Code::Words),
            ("perl -w -Ilib -0777 s.pl", file("s.pl")),
            ("php -d a=b -f s.php", file("s.php")),
            ("java -cp known.jar Main", Code::Module("Main".into())),
            ("java -Dx=y -jar a.jar", file("a.jar")),
            ("dotnet exec a.dll", file("a.dll")),
        ] {
            let words = words(line);
            let (Kind::Interpreter(family), rest) = kind_of(line.split(' ').next().unwrap(), &words) else {
                panic!("{line}")
            };
            assert_eq!(family.code_of(rest), code, "{line}");
        }
    }

    #[test]
    fn what_a_process_calls_itself_counts_only_where_it_makes_the_program_what_it_is() {
        assert_eq!(kind_of("evil", &words("python3 known.py")).0, Kind::Program);
        assert_eq!(kind_of("bash", &words("evil -c az")).0, Kind::Shell);
        let all = words("-sh");
        assert_eq!(kind_of("busybox", &all), (Kind::Shell, &all[1..]));
        let all = words("/bin/busybox timeout 9 az");
        assert_eq!(kind_of("busybox", &all), (Kind::Wrapper, &all[2..]));
        assert_eq!(kind_of("busybox", &words("wget x")).0, Kind::Program);
        assert_eq!((kind_of("env", &words("env az")).0, kind_of("terraform", &[]).0), (Kind::Wrapper, Kind::Program));
    }
}
