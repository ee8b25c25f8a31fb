import CTestSupport

/// What a program left behind.
public struct ProgramResult: Sendable {
  /// The exit status, or 256 plus the number of the signal that ended it.
  public var status: Int
  /// stdout and stderr together.
  public var output: String
}

/// Runs other programs: mke2fs, mount, e2fsck, our own.
public enum Program {
  /// Runs to its end; the first argument is found along PATH and in the sbin directories.
  /// `environment` is one more variable, as NAME=value.
  @discardableResult
  public static func run(
    _ arguments: [String], environment: String? = nil
  ) throws(SystemFailure) -> ProgramResult {
    guard let name = arguments.first else { throw SystemFailure(22, "no program") }
    let program = name.contains("/") ? name : (Environment.find(name) ?? name)
    let output = TemporaryDirectory.base + "/" + TemporaryDirectory.freshName() + ".out"
    defer { try? System.unlink(output) }
    var pointers = unsafe ([program] + arguments.dropFirst()).map { unsafe duplicate($0) }
    unsafe pointers.append(nil)
    defer { for index in unsafe pointers.indices { unsafe pointers[index]?.deallocate() } }
    let status: Int64
    if let environment {
      status = unsafe ts_run(pointers.map { unsafe UnsafePointer($0) }, output, environment)
    } else {
      status = unsafe ts_run(pointers.map { unsafe UnsafePointer($0) }, output, nil)
    }
    let exit = try System.check(status, arguments.joined(separator: " "))
    let text = String(decoding: try System.contents(output), as: UTF8.self)
    return ProgramResult(status: Int(exit), output: text)
  }

  /// As `run`, but a status other than 0 is thrown with what the program said.
  @discardableResult
  public static func succeed(
    _ arguments: [String], environment: String? = nil
  ) throws(SystemFailure) -> String {
    let result = try run(arguments, environment: environment)
    guard result.status == 0 else {
      throw SystemFailure(
        5, "\(arguments.joined(separator: " ")) gave \(result.status): \(result.output)")
    }
    return result.output
  }

  private static func duplicate(_ text: String) -> UnsafeMutablePointer<CChar>? {
    let bytes = text.utf8CString
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    for (index, byte) in bytes.enumerated() { unsafe copy[index] = byte }
    return unsafe copy
  }
}
