//! Processes as `/proc` has them: the az below a shim, and what of a box still runs.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::Pid;

/// The real az at or below `shim`, once there is one: a command that needs no secret becomes it.
pub(crate) fn az_below(shim: Pid) -> Option<Pid> {
    let children = |parent: i32| -> Vec<i32> {
        let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
        let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
        lists.flat_map(|list| list.split_whitespace().flat_map(str::parse::<i32>).collect::<Vec<_>>()).collect()
    };
    let mut waiting: Vec<i32> = vec![shim.as_raw_nonzero().get()];
    while let Some(id) = waiting.pop() {
        let program = fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
        if program.file_name().is_some_and(|name| name.as_bytes().starts_with(b"python")) {
            return Pid::from_raw(id);
        }
        waiting.extend(children(id));
    }
    None
}

/// What runs with `root` in its environment, its command line or as its program: process id and a description.
pub(crate) fn of_box(root: &Path) -> Vec<(Pid, String)> {
    let finder = memchr::memmem::Finder::new(root.as_os_str().as_bytes());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| id.unsigned_abs() != std::process::id())
        .filter_map(|id| {
            let read = |name: &str| fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
            let program = fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
            let line = read("cmdline");
            let is_ours = [&read("environ")[..], &line, program.as_os_str().as_bytes()]
                .into_iter()
                .any(|bytes| finder.find(bytes).is_some());
            let words: Vec<_> = line.split(|byte| *byte == 0).map(|word| OsStr::from_bytes(word).to_owned()).collect();
            let pid = Pid::from_raw(id)?;
            is_ours.then(|| (pid, format!("{id} {} {words:?}", program.display())))
        })
        .collect()
}
