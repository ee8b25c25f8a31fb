import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("Programs that tests run")
struct ProgramTests {
  /// What another thread is just starting inherits every descriptor: an unmount fails, and a program
  /// that was written is busy (ETXTBSY), as long as it has one.
  @Test("a program meets no descriptor that was closed before it was started")
  func births() throws {
    let directory = try TemporaryDirectory()
    let path = directory("program")
    try System.write(Array("#!/bin/sh\n".utf8), to: path)
    try System.changeMode(path, 0o755)
    let isOver = Atomic<Bool>(false)
    let others = DispatchGroup()
    for _ in 0..<3 {
      DispatchQueue.global().async(group: others) {
        while !isOver.load(ordering: .relaxed) { _ = try? Program.run(["true"]) }
      }
    }
    defer {
      isOver.store(true, ordering: .relaxed)
      others.wait()
    }
    for _ in 0..<200 {
      try keepOpenForAWhile(path)
      try Program.succeed([path])
    }
  }

  /// Long enough for another thread to start a program meanwhile.
  private func keepOpenForAWhile(_ path: String) throws {
    let file = try OpenFile(path, .write)
    Thread.sleep(forTimeInterval: 0.0003)
    _ = try file.status()
  }
}
