import ArgumentParser
import Ext4Format
import Extant
import ExtantBase

/// `extant ls`
struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "Lists a directory of an image.")

  @Argument(help: "IMAGE:/path; IMAGE alone is its root.")
  var location: Location

  @Flag(name: .customShort("l"), help: "Mode, links, owner, size and time.")
  var long = false

  @Flag(name: .customShort("a"), help: "Names that begin with a dot, too.")
  var all = false

  @Flag(name: .customShort("R"), help: "Directories below, too.")
  var recursive = false

  @Flag(help: "An array of JSON objects.")
  var json = false

  func run() throws {
    let image = location.image ?? location.path
    let path = location.image == nil ? "/" : location.path
    try ImageSession.with(image, writing: false) { fileSystem in
      let start = try at("\(image):\(path)") { () throws(FileSystemError) in
        try fileSystem.attributes(at: path, followLast: !long)
      }
      var objects: [JSON] = []
      if start.kind != .directory {
        let name = Array((path.split(separator: "/").last.map(String.init) ?? path).utf8)
        try show([(name, start)], path, fileSystem, &objects)
      } else {
        var todo = [(path: path, inode: start.inode)]
        while let (path, inode) = todo.popLast() {
          let entries = try entries(fileSystem, inode, "\(image):\(path)")
          if recursive && !json { try Output.line("\(path):") }
          try show(entries, path, fileSystem, &objects)
          guard recursive else { continue }
          let base = path.hasSuffix("/") ? path : path + "/"
          let below = entries.filter { $0.1.kind == .directory }
            .map { (base + String(decoding: $0.0, as: UTF8.self), $0.1.inode) }
          todo += below.reversed()
          if !json && !todo.isEmpty { try Output.line("") }
        }
      }
      if json { try Output.line(JSON.array(objects).text()) }
    }
  }

  private typealias Entry = ([UInt8], Attributes)

  private func entries(
    _ fileSystem: FileSystem, _ directory: InodeNumber, _ place: String
  ) throws -> [Entry] {
    try at(place) { () throws(FileSystemError) in
      var result: [Entry] = []
      for entry in try fileSystem.sortedEntries(of: directory) {
        if !all && entry.name.first == UInt8(ascii: ".") { continue }
        result.append((entry.name, try fileSystem.attributes(of: entry.inode)))
      }
      return result
    }
  }

  private func show(
    _ entries: [Entry], _ path: String, _ fileSystem: FileSystem, _ objects: inout [JSON]
  ) throws {
    if json {
      let base = path.hasSuffix("/") ? path : path + "/"
      for (name, attributes) in entries {
        let name = String(decoding: name, as: UTF8.self)
        objects.append(object(name, base + name, attributes, try target(attributes, fileSystem)))
      }
    } else if long {
      try Output.write(try table(entries, fileSystem))
    } else {
      for (name, _) in entries { try Output.write(name + [UInt8(ascii: "\n")]) }
    }
  }

  private func target(_ attributes: Attributes, _ fileSystem: FileSystem) throws -> String? {
    guard attributes.kind == .symbolicLink else { return nil }
    return String(decoding: try fileSystem.readSymbolicLink(attributes.inode), as: UTF8.self)
  }

  private func table(_ entries: [Entry], _ fileSystem: FileSystem) throws -> String {
    var rows: [[String]] = []
    for (name, attributes) in entries {
      let target = try target(attributes, fileSystem).map { " -> " + $0 } ?? ""
      let isDevice = attributes.kind == .blockDevice || attributes.kind == .characterDevice
      rows.append([
        ModeText.text(attributes), "\(attributes.linkCount)", "\(attributes.uid)",
        "\(attributes.gid)",
        isDevice ? "\(attributes.device.major),\(attributes.device.minor)" : "\(attributes.size)",
        TimeText.local(attributes.modificationTime.seconds),
        String(decoding: name, as: UTF8.self) + target,
      ])
    }
    var widths = [Int](repeating: 0, count: 6)
    for row in rows { for index in 0..<6 { widths[index] = max(widths[index], row[index].count) } }
    return rows.map { row in
      (0..<6).map { String(repeating: " ", count: widths[$0] - row[$0].count) + row[$0] }
        .joined(separator: " ") + " " + row[6] + "\n"
    }.joined()
  }

  private func object(
    _ name: String, _ path: String, _ attributes: Attributes, _ target: String?
  ) -> JSON {
    var members: [(String, JSON)] = [
      ("name", .string(name)), ("path", .string(path)),
      ("inode", .number(Int64(attributes.inode.rawValue))),
      ("kind", .string("\(attributes.kind)")),
      ("mode", .string(String(attributes.mode, radix: 8))),
      ("links", .number(Int64(attributes.linkCount))), ("uid", .number(Int64(attributes.uid))),
      ("gid", .number(Int64(attributes.gid))), ("size", .unsigned(attributes.size)),
      ("blocks", .unsigned(attributes.blocks512)),
    ]
    func add(_ name: String, _ time: Timestamp?) {
      guard let time else { return }
      members.append(
        (name, .array([.number(time.seconds), .number(Int64(time.nanoseconds))])))
    }
    add("accessed", attributes.accessTime)
    add("modified", attributes.modificationTime)
    add("changed", attributes.changeTime)
    add("created", attributes.creationTime)
    if let target { members.append(("target", .string(target))) }
    if attributes.kind == .blockDevice || attributes.kind == .characterDevice {
      members.append(("major", .number(Int64(attributes.device.major))))
      members.append(("minor", .number(Int64(attributes.device.minor))))
    }
    return .object(members)
  }
}

/// The ten letters of ls -l.
enum ModeText {
  static func text(_ attributes: Attributes) -> String {
    let kind: String =
      switch attributes.kind {
      case .fifo: "p"
      case .characterDevice: "c"
      case .directory: "d"
      case .blockDevice: "b"
      case .regular: "-"
      case .symbolicLink: "l"
      case .socket: "s"
      }
    let mode = attributes.mode
    func triple(_ shift: UInt16, _ special: UInt16, _ letter: String) -> String {
      let bits = mode >> shift
      let runs = bits & 1 != 0
      let last =
        mode & special != 0 ? (runs ? letter : letter.uppercased()) : (runs ? "x" : "-")
      return (bits & 4 != 0 ? "r" : "-") + (bits & 2 != 0 ? "w" : "-") + last
    }
    return kind + triple(6, 0o4000, "s") + triple(3, 0o2000, "s") + triple(0, 0o1000, "t")
  }
}
