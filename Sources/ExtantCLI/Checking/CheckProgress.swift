import Glibc
import Synchronization
import SystemPackage

/// How far a check has come: a bar for people, or lines for the program that started us, as
/// fsck(8)'s -C asks for.
final class CheckProgress: Sendable {
  private static let passes = 5
  private static let width = 50

  /// 0 for the bar.
  private let descriptor: Int32
  private let image: String
  private var shownImage: String { PathText.shown(image) }
  private let shown = Mutex((pass: 0, permille: -1))

  init(_ descriptor: Int32, _ image: String) {
    self.descriptor = descriptor
    self.image = image
  }

  /// Nil where nobody would see it.
  static func make(_ descriptor: Int32?, _ image: String) -> CheckProgress? {
    guard let descriptor, descriptor >= 0 else { return nil }
    if descriptor == 0, isatty(STDERR_FILENO) == 0 { return nil }
    return CheckProgress(descriptor, image)
  }

  func update(_ pass: Int, _ done: Double) {
    guard done.isFinite else { return }
    let permille = Int((min(max(done, 0), 1) * 1000).rounded())
    let isNew = shown.withLock { shown in
      guard shown != (pass, permille) else { return false }
      shown = (pass, permille)
      return true
    }
    guard isNew else { return }
    if descriptor == 0 {
      let all = (Double(pass - 1) + Double(permille) / 1000) / Double(Self.passes)
      let full = Int(min(max(all, 0), 1) * Double(Self.width))
      let bar =
        String(repeating: "=", count: full) + String(repeating: " ", count: Self.width - full)
      Output.error("\r\(shownImage): |\(bar)| pass \(pass) ")
    } else {
      let line = "\(pass) \(permille) 1000 \(image)\n"
      _ = try? FileDescriptor(rawValue: descriptor).writeAll(line.utf8)
    }
  }

  /// Takes the bar away.
  func end() {
    guard descriptor == 0, shown.withLock({ $0.permille >= 0 }) else { return }
    Output.error(
      "\r" + String(repeating: " ", count: shownImage.utf8.count + Self.width + 14) + "\r")
  }
}
