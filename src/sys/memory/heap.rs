//! A heap that is wiped as it is given back. A secret passes through buffers that are not ours to zero (TLS records, HTTP
//! bodies, JSON texts that grow while they are written), and what stays of them in freed memory would be there for as long
//! as the shim waits for az. Nothing that is freed, or left behind by growing, keeps its bytes.

#[cfg(not(target_env = "musl"))]
use std::alloc::System;
use std::alloc::{GlobalAlloc, Layout};

// musl's own is made for small memory, and slow.
#[cfg(target_env = "musl")]
use dlmalloc::GlobalDlmalloc as System;

/// The size of a huge page, in bytes, where there are any.
const HUGE: usize = 2 * 1024 * 1024;

/// The system's heap, wiped.
#[derive(Debug)]
pub struct WipedHeap;

// SAFETY: every block is the allocator's below, asked for and given back with the layout that the caller named; what is
// written to is a block that the caller gives up.
unsafe impl GlobalAlloc for WipedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that this call needs, for a larger layout too.
        let block = unsafe { System.alloc(on_huge_pages(layout)) };
        #[cfg(target_os = "linux")]
        super::platform::prefer_huge_pages(block, on_huge_pages(layout).size() / HUGE * HUGE);
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that this call needs.
        unsafe { System.alloc_zeroed(on_huge_pages(layout)) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's to give up, at least as long as its layout says, and was asked for as it is
        // given back.
        unsafe {
            std::ptr::write_bytes(block, 0, layout.size());
            // Somebody might look: without that, writing to what is given back at once counts as superfluous.
            std::hint::black_box(block);
            System.dealloc(block, on_huge_pages(layout));
        }
    }

    // Growing is left to the trait's own way: a new block, a copy, and the old one given back to `dealloc` above. The
    // system's might move the bytes and leave the old ones where they were.
}

/// The layout of a block that lies on huge pages where it fills most of one; any other stays as it is.
fn on_huge_pages(layout: Layout) -> Layout {
    let rest = layout.size() % HUGE;
    let size = if rest >= HUGE / 2 { layout.size() - rest + HUGE } else { layout.size() };
    if size < HUGE || cfg!(not(target_os = "linux")) {
        return layout;
    }
    Layout::from_size_align(size, layout.align().max(HUGE)).unwrap_or(layout)
}
