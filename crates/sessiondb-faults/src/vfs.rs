//! The VFS itself: SQLite's methods of a file system, each counted, perhaps failed, done by the unix VFS, and noted.
//!
//! A file of ours is [`File`] with the unix VFS's file right behind it, in the one piece of memory that SQLite gives.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    mem, ptr, slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::ffi::{
    self, SQLITE_OK, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find,
    sqlite3_vfs_register, sqlite3_vfs_unregister,
};

use crate::{
    disk::{Event, FileName, Shared},
    fault::{Fault, FaultKind, Op},
};

/// A registered VFS. It is unregistered when it is dropped, so that SQLite's list does not grow; its memory (some
/// hundred bytes) stays for ever, since a connection may outlive it.
pub(crate) struct Registered {
    name: String,
    vfs: *mut sqlite3_vfs,
}

// SAFETY: the pointer leads to memory that is never freed nor written to again, and SQLite locks its list of VFSs.
unsafe impl Send for Registered {}
// SAFETY: as above.
unsafe impl Sync for Registered {}

/// What a VFS's `pAppData` leads to.
struct App {
    base: *mut sqlite3_vfs,
    shared: Arc<Shared>,
}

/// A file of ours. SQLite's part must be the first; SQLite aligns its memory to 8 bytes, as the pointers in here are.
#[repr(C)]
struct File {
    sqlite: sqlite3_file,
    app: *const App,
    /// `None` for temporary files, which are nobody's after a power cut.
    name: Option<FileName>,
    /// The next sync of this file also syncs the directory, as `unixSync` does for a journal that it may have made.
    sync_directory: bool,
}

impl Registered {
    pub(crate) fn new(shared: Arc<Shared>) -> Result<Registered, String> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // SAFETY: a constant text that ends with a NUL; the call initialises SQLite if need be.
        let base = unsafe { sqlite3_vfs_find(c"unix".as_ptr()) };
        if base.is_null() {
            return Err("SQLite has no VFS named 'unix'".into());
        }
        let name = format!("faults-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let c_name = CString::new(name.clone()).map_err(|e| e.to_string())?;
        let app = Box::new(App { base, shared });
        // SAFETY: SQLite's own VFSs are never freed nor changed.
        let unix = unsafe { &*base };
        let vfs = Box::into_raw(Box::new(sqlite3_vfs {
            szOsFile: unix.szOsFile + mem::size_of::<File>() as c_int,
            pNext: ptr::null_mut(),
            zName: c_name.into_raw(),
            pAppData: Box::into_raw(app).cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            // These ask nothing of a file; that they see our VFS in place of the unix one makes no difference to them.
            ..*unix
        }));
        // SAFETY: the table is whole, and lives for ever.
        match unsafe { sqlite3_vfs_register(vfs, 0) } {
            SQLITE_OK => Ok(Registered { name, vfs }),
            code => Err(format!("SQLite did not take the VFS: {code}")),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: it is registered, and its memory stays for the connections that still use it.
        unsafe { sqlite3_vfs_unregister(self.vfs) };
    }
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: Some(fetch),
    xUnfetch: Some(unfetch),
};

/// Our parts of the VFS that SQLite calls.
///
/// # Safety
/// `vfs` must be one that [`Registered::new`] made.
unsafe fn app<'a>(vfs: *mut sqlite3_vfs) -> &'a App {
    // SAFETY: `pAppData` was set there, and is never freed.
    unsafe { &*(*vfs).pAppData.cast::<App>() }
}

/// Our part of a file that SQLite calls.
///
/// # Safety
/// `file` must be one that [`open`] made and [`close`] has not ended; SQLite uses a file on one thread at a time.
unsafe fn file<'a>(file: *mut sqlite3_file) -> &'a mut File {
    // SAFETY: SQLite's part is the first of ours.
    unsafe { &mut *file.cast::<File>() }
}

impl File {
    /// The unix VFS's file, right behind ours.
    fn base(&mut self) -> *mut sqlite3_file {
        // SAFETY: `szOsFile` makes SQLite allocate both in one piece; `File`'s size is a multiple of its alignment.
        unsafe { ptr::from_mut(self).add(1).cast() }
    }

    fn shared(&self) -> &Shared {
        // SAFETY: set by `open` from the VFS's own, which is never freed.
        unsafe { &(*self.app).shared }
    }
}

/// Calls a method of the unix VFS's file. It has all of them: its version is 3.
macro_rules! base {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let base = $file.base();
        // SAFETY: the file is open, and the arguments are what SQLite gave for this very method.
        unsafe {
            match (*(*base).pMethods).$method {
                Some(method) => method(base $(, $argument)*),
                None => Default::default(),
            }
        }
    }};
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    out: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with the VFS that was registered, and with `szOsFile` bytes of its own to fill, whose methods
    // must be NULL if there is nothing to close.
    let (app, ours) = unsafe {
        (*out).pMethods = ptr::null();
        (app(vfs), out.cast::<File>())
    };
    // SAFETY: a path is a text that ends with a NUL; NULL asks for a temporary file.
    let path_text = (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned());
    let kept = ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
    let name = path_text.as_deref().filter(|_| flags & kept != 0).map(file_name);
    let journals = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
    let may_create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    // SAFETY: the memory is SQLite's gift and holds nothing yet.
    unsafe {
        ours.write(File {
            sqlite: sqlite3_file { pMethods: ptr::null() },
            app,
            name: name.clone(),
            sync_directory: may_create && flags & journals != 0,
        });
    }
    // SAFETY: it was just written.
    let ours = unsafe { &mut *ours };
    let mut state = app.shared.lock();
    let flags = match state.count(Op::Open) {
        None => flags,
        // `unixOpen` tries a file that cannot be written to once more, read-only.
        Some(FaultKind::Erofs) => {
            flags & !(ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE) | ffi::SQLITE_OPEN_READONLY
        }
        Some(kind) => {
            ours.name = None;
            return Fault::answer(Op::Open, kind);
        }
    };
    let was_there = path_text.is_none_or(|path| std::path::Path::new(&path).exists());
    let base = ours.base();
    // SAFETY: the unix VFS fills its own file, in memory of its size; the path lives as long as SQLite's file.
    let code = unsafe {
        (*base).pMethods = ptr::null();
        (*app.base).xOpen.map_or(ffi::SQLITE_CANTOPEN, |open| open(app.base, path, base, flags, out_flags))
    };
    if code != SQLITE_OK {
        ours.name = None;
        // SAFETY: `pMethods` was set to NULL before, or by the unix VFS to what must be closed.
        if unsafe { !(*base).pMethods.is_null() } {
            base!(ours, xClose);
        }
        return code;
    }
    if let Some(file) = name {
        state.note(|| Event::Open { file, created: !was_there });
    }
    ours.sqlite.pMethods = &raw const METHODS;
    SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite calls with the VFS that was registered.
    let app = unsafe { app(vfs) };
    let mut state = app.shared.lock();
    if let Some(kind) = state.count(Op::Delete) {
        return Fault::answer(Op::Delete, kind);
    }
    // SAFETY: the unix VFS's own method and SQLite's arguments. Its directory is not really synced.
    let code =
        unsafe { (*app.base).xDelete.map_or(ffi::SQLITE_IOERR_DELETE, |delete| delete(app.base, path, 0)) };
    if code == SQLITE_OK {
        // SAFETY: a path is a text that ends with a NUL.
        let file = file_name(&unsafe { CStr::from_ptr(path) }.to_string_lossy());
        state.note(|| Event::Delete { file, dir_synced: sync & 1 != 0 });
    }
    code
}

unsafe extern "C" fn access(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: the unix VFS's own method and SQLite's arguments.
    unsafe {
        let base = app(vfs).base;
        (*base).xAccess.map_or(ffi::SQLITE_IOERR_ACCESS, |access| access(base, path, flags, out))
    }
}

unsafe extern "C" fn full_pathname(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: the unix VFS's own method and SQLite's arguments.
    unsafe {
        let base = app(vfs).base;
        (*base).xFullPathname.map_or(ffi::SQLITE_CANTOPEN, |full| full(base, path, size, out))
    }
}

unsafe extern "C" fn close(this: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file that was opened, once.
    let ours = unsafe { file(this) };
    let code = base!(ours, xClose);
    // SAFETY: nobody uses it any more; SQLite frees the memory without knowing of what it leads to.
    unsafe { ptr::drop_in_place(ours) };
    code
}

unsafe extern "C" fn read(
    this: *mut sqlite3_file,
    out: *mut c_void,
    size: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    if let Some(kind) = ours.shared().lock().count(Op::Read) {
        return Fault::answer(Op::Read, kind);
    }
    base!(ours, xRead, out, size, offset)
}

unsafe extern "C" fn write(
    this: *mut sqlite3_file,
    bytes: *const c_void,
    size: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    // SAFETY: set by `open` from the VFS's own, which is never freed.
    let mut state = unsafe { &*ours.app }.shared.lock();
    let (size, failed) = match state.count(Op::Write) {
        None => (size, None),
        Some(FaultKind::ShortWrite) => (size / 2, Some(FaultKind::ShortWrite)),
        Some(kind) => (0, Some(kind)),
    };
    if size > 0 {
        let code = base!(ours, xWrite, bytes, size, offset);
        if code != SQLITE_OK {
            return code;
        }
        if let Some(name) = &ours.name {
            // SAFETY: SQLite gives as many bytes as it says, and half of them are there too.
            let bytes = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), size.cast_unsigned() as usize) };
            state.note(|| Event::Write {
                file: Arc::clone(name),
                offset: offset.cast_unsigned(),
                bytes: bytes.into(),
            });
        }
    }
    failed.map_or(SQLITE_OK, |kind| Fault::answer(Op::Write, kind))
}

unsafe extern "C" fn truncate(this: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    // SAFETY: set by `open` from the VFS's own, which is never freed.
    let mut state = unsafe { &*ours.app }.shared.lock();
    if let Some(kind) = state.count(Op::Truncate) {
        return Fault::answer(Op::Truncate, kind);
    }
    let code = base!(ours, xTruncate, size);
    if let (SQLITE_OK, Some(name)) = (code, &ours.name) {
        state.note(|| Event::Truncate { file: Arc::clone(name), size: size.cast_unsigned() });
    }
    code
}

/// Notes the sync and does not make it: see [`Disk`](crate::Disk).
unsafe extern "C" fn sync(this: *mut sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    // SAFETY: set by `open` from the VFS's own, which is never freed.
    let mut state = unsafe { &*ours.app }.shared.lock();
    let fault = state.count_sync(ours.name.as_deref());
    if let Some(name) = &ours.name {
        let file = Arc::clone(name);
        match fault {
            Some(_) => state.note(|| Event::SyncFailed { file }),
            None => state.note(|| Event::Sync { file }),
        }
    }
    if let Some(kind) = fault {
        return Fault::answer(Op::Sync, kind);
    }
    if mem::take(&mut ours.sync_directory) {
        state.note(|| Event::SyncDirectory);
    }
    SQLITE_OK
}

unsafe extern "C" fn file_size(this: *mut sqlite3_file, out: *mut sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    if let Some(kind) = ours.shared().lock().count(Op::FileSize) {
        return Fault::answer(Op::FileSize, kind);
    }
    base!(ours, xFileSize, out)
}

unsafe extern "C" fn lock(this: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    if let Some(kind) = ours.shared().lock().count(Op::Lock) {
        return Fault::answer(Op::Lock, kind);
    }
    base!(ours, xLock, level)
}

unsafe extern "C" fn unlock(this: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    base!(ours, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(this: *mut sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    base!(ours, xCheckReservedLock, out)
}

unsafe extern "C" fn file_control(this: *mut sqlite3_file, op: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    base!(ours, xFileControl, op, argument)
}

unsafe extern "C" fn sector_size(this: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    base!(ours, xSectorSize)
}

unsafe extern "C" fn device_characteristics(this: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    base!(ours, xDeviceCharacteristics)
}

unsafe extern "C" fn shm_map(
    this: *mut sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    if let Some(kind) = ours.shared().lock().count(Op::ShmMap) {
        // SAFETY: SQLite gives a place for the answer; the unix VFS answers an error with NULL.
        unsafe { *out = ptr::null_mut() };
        return Fault::answer(Op::ShmMap, kind);
    }
    base!(ours, xShmMap, region, size, extend, out)
}

unsafe extern "C" fn shm_lock(this: *mut sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    // Only taking a lock can fail; SQLite does not look at what giving one back answers.
    if flags & ffi::SQLITE_SHM_LOCK != 0
        && let Some(kind) = ours.shared().lock().count(Op::ShmLock)
    {
        return Fault::answer(Op::ShmLock, kind);
    }
    base!(ours, xShmLock, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(this: *mut sqlite3_file) {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    base!(ours, xShmBarrier);
}

unsafe extern "C" fn shm_unmap(this: *mut sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    base!(ours, xShmUnmap, delete)
}

unsafe extern "C" fn fetch(
    this: *mut sqlite3_file,
    offset: sqlite3_int64,
    size: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    base!(ours, xFetch, offset, size, out)
}

unsafe extern "C" fn unfetch(this: *mut sqlite3_file, offset: sqlite3_int64, page: *mut c_void) -> c_int {
    // SAFETY: SQLite calls with a file that is open.
    let ours = unsafe { file(this) };
    base!(ours, xUnfetch, offset, page)
}

fn file_name(path: &str) -> FileName {
    path.rsplit('/').next().unwrap_or(path).into()
}
