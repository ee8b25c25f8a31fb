import ExtantBase
import SystemPackage

/// Extended attributes that a copy could not keep: each is told once, with how many files lack it.
struct AttributeLosses {
  private struct Loss {
    let name: [UInt8]
    let reason: Errno
    let firstPlace: String
    var count = 1
  }

  private var list: [Loss] = []

  /// `place` as messages name it.
  mutating func add(_ name: [UInt8], _ reason: Errno, _ place: String) {
    if let index = list.firstIndex(where: { $0.name == name && $0.reason == reason }) {
      list[index].count += 1
    } else {
      list.append(Loss(name: name, reason: reason, firstPlace: place))
    }
  }

  /// As of cp -a, the exit code says nothing of it: everything else was copied.
  func report() {
    for loss in list {
      Output.message(
        "\(loss.firstPlace)\(loss.count > 1 ? " and \(loss.count - 1) more" : ""): "
          + "copied without the attribute \(NameText.shell(loss.name)): \(loss.reason)")
    }
  }
}
