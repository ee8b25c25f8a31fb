import CheckKit
import Foundation
import TestSupport

// The fuzzer's target: `make fuzz` builds it with libFuzzer, which brings its own main. Built like
// everything else it is a program that runs the inputs it is given, one after the other.

/// Unpacked once.
private let run = FuzzRun(loadSeeds())

private func loadSeeds() -> [FuzzSeed] {
  do { return try FuzzSeed.packed() } catch { fatalError("the seeds: \(error)") }
}

#if EXTANT_FUZZER
  @_cdecl("LLVMFuzzerTestOneInput")
  public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = unsafe UnsafeBufferPointer(start: data, count: size)
    if let problem = run.run(unsafe Array(bytes)) { fatalError(problem) }
    return 0
  }
#else
  @main
  struct Fuzz {
    static func main() throws {
      for path in CommandLine.arguments.dropFirst() {
        let problem = run.run(try System.contents(path))
        print("\(path): \(problem ?? "ok")")
      }
    }
  }
#endif
