import DeviceFaults
import SystemPackage

extension MountOptions {
  /// Rules are a page of text; what is longer is no rule file.
  private static let longestRuleFile = 1 << 20

  static func readFaultRules(_ path: String) throws(MountError) -> FaultRules {
    var bytes: [UInt8] = []
    do {
      let file = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
      defer { try? file.close() }
      var piece = [UInt8](repeating: 0, count: 1 << 16)
      while bytes.count <= longestRuleFile {
        let count = try unsafe piece.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
        if count == 0 { break }
        bytes += piece[..<count]
      }
    } catch {
      throw MountError("option faults=\(path): \(error)")
    }
    guard bytes.count <= longestRuleFile else {
      throw MountError("option faults=\(path): longer than 1 MiB: no rule file")
    }
    do throws(FaultRulesError) {
      return try FaultRules(parsing: String(decoding: bytes, as: UTF8.self), file: path)
    } catch {
      throw MountError("option faults=\(error)")
    }
  }
}
