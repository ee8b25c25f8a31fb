import BlockIO
import ExtantBase
import Threading

/// Reads the next piece of the image in a thread of its own while the one before is looked at.
///
/// One piece at a time: `start`, then `finish`. To be ended by who made it.
final class AheadReader: @unchecked Sendable {
  /// A piece of the image, in bytes.
  struct Piece: Sendable {
    var offset: UInt64
    var byteCount: Int
  }

  private enum Work {
    case none
    case waiting(Piece, BlockBuffer)
    case running
    case done(FileSystemError?)
    case ended
  }

  private let image: OverlayDevice
  private let lock = Lock(.innermost)
  private let changed = Condition()
  // Under `lock`.
  private var work = Work.none
  /// Set once, before anybody else has the reader.
  private var thread: WorkerThread?

  /// - Parameter isThreaded: false for an image so small that a thread costs more than it saves.
  init(_ image: WorkingImage, isThreaded: Bool) {
    self.image = image.overlay
    guard isThreaded else { return }
    thread = WorkerThread(name: "extant-read") { [self] in serve() }
  }

  /// Whether `start` returns before the piece is read.
  var isThreaded: Bool { thread != nil }

  /// Reads the piece to the start of `buffer`, which nobody may touch until `finish`.
  func start(_ piece: Piece, into buffer: BlockBuffer) {
    guard thread != nil else {
      work = .done(read(piece, buffer))
      return
    }
    lock.withLock { work = .waiting(piece, buffer) }
    changed.broadcast()
  }

  /// Waits for the piece.
  func finish() throws(FileSystemError) {
    let error = lock.withLock { () -> FileSystemError? in
      while true {
        switch work {
        case .done(let error):
          work = .none
          return error
        case .none, .ended: return nil
        case .waiting, .running: changed.wait(lock)
        }
      }
    }
    if let error { throw error }
  }

  /// Ends the thread.
  func end() {
    guard let thread else { return }
    lock.withLock {
      while case .running = work { changed.wait(lock) }
      work = .ended
    }
    changed.broadcast()
    thread.join()
  }

  private func serve() {
    while true {
      let next = lock.withLock { () -> (Piece, BlockBuffer)? in
        while true {
          switch work {
          case .waiting(let piece, let buffer):
            work = .running
            return (piece, buffer)
          case .ended: return nil
          case .none, .running, .done: changed.wait(lock)
          }
        }
      }
      guard let (piece, buffer) = next else { return }
      let error = read(piece, buffer)
      lock.withLock { work = .done(error) }
      changed.broadcast()
    }
  }

  private func read(_ piece: Piece, _ buffer: BlockBuffer) -> FileSystemError? {
    do throws(FileSystemError) {
      var bytes = buffer.mutableBytes
      var part = bytes._mutatingExtracting(0..<piece.byteCount)
      try image.read(into: &part, at: piece.offset)
      return nil
    } catch {
      return error
    }
  }
}
