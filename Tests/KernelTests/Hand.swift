import Ext4Format
import Extant
import ExtantBase
import TestSupport

@testable import KernelKit
@testable import TortureKit

/// Who changes an image: the kernel through a loop mount, or our engine in process.
protocol Hand: AnyObject {
  var participant: any Participant { get }
  func setAttribute(_ path: String, _ name: String, _ value: [UInt8]) throws
  /// chattr(1): sets these besides what is set.
  func addFlags(_ path: String, _ flags: UInt32) throws
  /// What is there now, after everything was written.
  func look() throws -> SeenTree
}

extension Hand {
  func perform(_ steps: [ExchangeStep]) throws {
    for step in steps {
      switch step {
      case .operation(let operation):
        let outcome = participant.perform(operation)
        guard outcome.errno == 0 else {
          throw SystemFailure(outcome.errno, "\(participant.name): \(operation)")
        }
      case .setAttribute(let path, let name, let value): try setAttribute(path, name, value)
      case .addFlags(let path, let flags): try addFlags(path, flags)
      }
    }
  }
}

final class KernelHand: Hand {
  private let root: String
  let participant: any Participant

  init(_ image: Image, at point: String) throws {
    root = point
    participant = try SyscallParticipant(KernelDoor(image: image, point: point))
  }

  func setAttribute(_ path: String, _ name: String, _ value: [UInt8]) throws {
    try System.setAttribute(root + path, name, value)
  }

  func addFlags(_ path: String, _ flags: UInt32) throws {
    let isDirectory = try System.status(root + path).isDirectory
    let file = try OpenFile(root + path, isDirectory ? .directory : [])
    try file.setFlags(try file.flags() | flags)
  }

  func look() throws -> SeenTree {
    try OpenFile(root, .directory).syncFileSystem()
    return try SeenTree(mount: root, seeks: false)
  }
}

final class EngineHand: Hand {
  private let engine: EngineParticipant
  var participant: any Participant { engine }

  init(_ image: Image) throws { engine = try EngineParticipant(image) }

  func setAttribute(_ path: String, _ name: String, _ value: [UInt8]) throws {
    let inode = try engine.fileSystem.resolve(path, followLast: false)
    try engine.fileSystem.setExtendedAttribute(Array(name.utf8), value, of: inode)
  }

  func addFlags(_ path: String, _ flags: UInt32) throws {
    let inode = try engine.fileSystem.resolve(path, followLast: false)
    let old = try engine.fileSystem.attributes(of: inode).flags
    try engine.fileSystem.setInodeFlags(
      old.union(InodeFlags(rawValue: flags)), of: inode)
  }

  func look() throws -> SeenTree {
    try engine.fileSystem.sync()
    return try SeenTree(engine.fileSystem, seeks: false)
  }
}
