//! Writing over a credential file. A rename takes away what is mounted over the old file in other mount namespaces, and
//! fails where the old file is a mount point itself, as in a container. While runs have private mounts there, and on a
//! mount point, the new bytes are written over the old ones, from a second file that is whole on the disk before the first
//! byte changes and from which the file is repaired if the writer is killed on the way. A file that is being written over
//! begins with [`UNDER_WAY`], so that it is never taken for a whole one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::sys::{self, Access};
use crate::user_file;

/// What a file begins with while it is written over.
const UNDER_WAY: u8 = b'!';

/// The ending of a file that is whole and on the disk.
pub(super) const WHOLE: &str = ".azward-whole";

/// Finishes what a killed writer began. A file that is not under way has been written, by that writer or by az since.
pub(super) fn repair(target: &Path) -> io::Result<()> {
    let whole = beside(target, WHOLE);
    let bytes = match user_file::open(&whole, Access::Read) {
        Ok(file) => read_whole(file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut first = [0];
    let is_under_way = File::open(target)?.read(&mut first)? == 1 && first[0] == UNDER_WAY;
    if is_under_way {
        overwrite(target, &bytes)?;
    }
    std::fs::remove_file(whole)
}

pub(super) fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut path = target.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// Reads a file into a buffer that is large enough at once: one that grows leaves copies behind that nobody zeroes.
pub(super) fn read_whole(mut file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 4096));
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes over the file, which can be repaired from what is whole beside it until that is done.
pub(super) fn overwrite_safely(draft: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let whole = beside(target, WHOLE);
    sys::rename_over(draft, &whole)?;
    overwrite(target, bytes)?;
    std::fs::remove_file(whole)
}

/// Writes over the file without ever making it shorter than it is to be: no new block is needed where it was as long.
pub(super) fn overwrite(target: &Path, bytes: &[u8]) -> io::Result<()> {
    // Before its first byte. What is somebody else's is written over only with what has no secret in it: see `close`.
    let _ = user_file::close(target);
    let mut file = user_file::open(target, Access::Write)?;
    let (first, rest) = bytes.split_at(bytes.len().min(1));
    file.write_all(&[UNDER_WAY])?;
    file.write_all(rest)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_data()?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(first)?;
    let _ = sys::set_modified_ahead(&file);
    file.sync_all()
}
