//! A heap that is wiped as it is given back. A secret passes through buffers that are not ours to zero (TLS records, HTTP
//! bodies, JSON texts that grow while they are written), and what stays of them in freed memory would be there for as long
//! as the shim waits for az. Nothing that is freed, or left behind by growing, keeps its bytes.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's heap, wiped.
#[derive(Debug)]
pub struct WipedHeap;

// SAFETY: every block is the system allocator's, asked for and given back with the layout that the caller named; what is
// written to is a block that the caller gives up.
unsafe impl GlobalAlloc for WipedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that this call needs.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that this call needs.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's to give up, and as long as its layout says.
        unsafe {
            std::ptr::write_bytes(block, 0, layout.size());
            // Somebody might look: without that, writing to what is given back at once counts as superfluous.
            std::hint::black_box(block);
            System.dealloc(block, layout);
        }
    }

    // Growing is left to the trait's own way: a new block, a copy, and the old one given back to `dealloc` above. The
    // system's might move the bytes and leave the old ones where they were.
}
