/// The bytes of one block in memory, page-aligned, owned.
///
/// The only unsafe storage of block contents in the project; everything else sees spans. It does
/// no locking: whoever shares a buffer between threads says which lock covers it.
@safe public final class BlockBuffer: @unchecked Sendable {
  public var byteCount: Int { unsafe base.count }
  @usableFromInline let base: UnsafeMutableRawBufferPointer
  /// Where the memory goes back to; nil when it is the buffer's own.
  private let pool: BlockBufferPool?

  /// A zeroed buffer.
  public init(byteCount: Int) {
    unsafe base = Self.allocate(byteCount)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0)
    pool = nil
  }

  /// A buffer on a pool's memory, with whatever bytes are in it.
  init(_ memory: UnsafeMutableRawBufferPointer, of pool: BlockBufferPool) {
    unsafe base = memory
    self.pool = pool
  }

  deinit {
    if let pool {
      unsafe pool.takeBack(base)
    } else {
      unsafe base.deallocate()
    }
  }

  static func allocate(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
    let size = min(max(byteCount, 512), 4096)
    // Sizes need not be powers of two, alignments must be.
    let alignment = 1 << (Int.bitWidth - 1 - size.leadingZeroBitCount)
    return UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: alignment)
  }

  @inlinable public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe UnsafeRawBufferPointer(base).bytes
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  @inlinable public var mutableBytes: MutableRawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe base.mutableBytes
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }
}

extension BlockBuffer {
  /// A new buffer with the same bytes.
  public convenience init(copying other: BlockBuffer) {
    self.init(byteCount: other.byteCount)
    unsafe base.copyMemory(from: UnsafeRawBufferPointer(other.base))
  }
}
