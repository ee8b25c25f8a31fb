import Extant
import ExtantBase
import SystemPackage

/// What `ls` writes of one image.
struct Listing {
  typealias Entry = (name: [UInt8], attributes: Attributes)

  private let fileSystem: FileSystem
  private let image: [UInt8]
  var isLong = false
  var showsHidden = false
  var isJSON = false
  var style = NameStyle.literal

  /// Something could not be listed, and was told.
  private(set) var hasProblems = false
  private var objects: [JSON] = []
  private var trail = DirectoryTrail()

  init(_ fileSystem: FileSystem, image: [UInt8]) {
    self.fileSystem = fileSystem
    self.image = image
  }

  private func place(_ path: [UInt8]) -> String { NameText.shell(image + [0x3a] + path) }

  private mutating func report(_ text: String) {
    Output.message(text)
    hasProblems = true
  }

  mutating func directory(_ path: [UInt8], _ inode: InodeNumber, recursive: Bool) throws {
    typealias Step = (path: [UInt8], name: [UInt8], inode: InodeNumber, parent: InodeNumber?)
    var todo: [Step] = [(path, path, inode, nil)]
    var isFirst = true
    while let (path, name, inode, parent) = todo.popLast() {
      let entries: [Entry]
      do {
        try enter(path, name, inode, parent)
        entries = try self.entries(inode, path)
      } catch let failure as CommandFailure {
        // What was named, or a part of it.
        guard !isFirst else { throw failure }
        report(failure.description)
        continue
      }
      if recursive && !isJSON {
        let heading = style.text(path, endsWithColon: true) + [UInt8(ascii: ":"), 0x0a]
        try Output.write((isFirst ? [] : [0x0a]) + heading)
      }
      isFirst = false
      try show(entries, path)
      guard recursive else { continue }
      for entry in entries.reversed() where entry.attributes.kind == .directory {
        todo.append(
          (PathText.joined(path, entry.name), entry.name, entry.attributes.inode, inode))
      }
    }
  }

  private mutating func enter(
    _ path: [UInt8], _ name: [UInt8], _ inode: InodeNumber, _ parent: InodeNumber?
  ) throws {
    guard path.count <= DirectoryTrail.longestPath else {
      throw CommandFailure("\(place(path)): \(Errno.fileNameTooLong)")
    }
    let other = trail.enter(
      UInt64(inode.rawValue), from: parent.map { UInt64($0.rawValue) }, as: name)
    guard let other else { return }
    throw CommandFailure(
      "\(place(path)): is the same directory as \(NameText.shell(other)), and not listed again: "
        + "the image is damaged (extant fsck)")
  }

  private mutating func entries(_ directory: InodeNumber, _ path: [UInt8]) throws -> [Entry] {
    let names = try at(place(path)) { () throws(FileSystemError) in
      try fileSystem.sortedEntries(of: directory)
    }
    var result: [Entry] = []
    for entry in names where showsHidden || entry.name.first != UInt8(ascii: ".") {
      do throws(FileSystemError) {
        result.append((entry.name, try fileSystem.attributes(of: entry.inode)))
      } catch {
        report(CommandFailure(place(PathText.joined(path, entry.name)), error).description)
      }
    }
    return result
  }

  mutating func show(_ entries: [Entry], _ path: [UInt8]) throws {
    if isJSON {
      for (name, attributes) in entries {
        let own = PathText.joined(path, name)
        objects.append(object(name, own, attributes, target(attributes, own)))
      }
    } else if isLong {
      try Output.write(table(entries, path))
    } else {
      for (name, _) in entries { try Output.write(style.text(name) + [0x0a]) }
    }
  }

  func end() throws {
    if isJSON { try Output.line(JSON.array(objects).text()) }
  }

  private mutating func target(_ attributes: Attributes, _ path: [UInt8]) -> [UInt8]? {
    guard attributes.kind == .symbolicLink else { return nil }
    do throws(FileSystemError) {
      return try fileSystem.readSymbolicLink(attributes.inode)
    } catch {
      report(CommandFailure(place(path), error).description)
      return nil
    }
  }

  private mutating func table(_ entries: [Entry], _ path: [UInt8]) -> [UInt8] {
    let shown = entries.map { style.text($0.name) }
    // As ls does: names stand under names, not under quotes.
    let isQuoted = style.hasQuotes && shown.contains { Self.isQuoted($0) }
    var rows: [(columns: [String], name: [UInt8])] = []
    for (entry, name) in zip(entries, shown) {
      let attributes = entry.attributes
      let target = target(attributes, PathText.joined(path, entry.name))
      let isDevice = attributes.kind == .blockDevice || attributes.kind == .characterDevice
      rows.append(
        (
          [
            ModeText.text(attributes), "\(attributes.linkCount)", "\(attributes.uid)",
            "\(attributes.gid)",
            isDevice
              ? "\(attributes.device.major),\(attributes.device.minor)" : "\(attributes.size)",
            TimeText.local(attributes.modificationTime.seconds),
          ],
          (isQuoted && !Self.isQuoted(name) ? [0x20] : []) + name
            + (target.map { Array(" -> ".utf8) + style.text($0) } ?? [])
        ))
    }
    var widths = [Int](repeating: 0, count: 6)
    for (columns, _) in rows { widths = zip(widths, columns).map { max($0, $1.utf8.count) } }
    var result: [UInt8] = []
    for (columns, name) in rows {
      let text = zip(widths, columns).map { width, column in
        String(repeating: " ", count: width - column.utf8.count) + column
      }
      result += Array(text.joined(separator: " ").utf8) + [0x20] + name + [0x0a]
    }
    return result
  }

  private static func isQuoted(_ text: [UInt8]) -> Bool {
    text.first == UInt8(ascii: "'") || text.first == UInt8(ascii: "\"")
  }

  private func object(
    _ name: [UInt8], _ path: [UInt8], _ attributes: Attributes, _ target: [UInt8]?
  ) -> JSON {
    var members = JSON.bytes("name", name) + JSON.bytes("path", path)
    members += [
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
    if let target { members += JSON.bytes("target", target) }
    if attributes.kind == .blockDevice || attributes.kind == .characterDevice {
      members.append(("major", .number(Int64(attributes.device.major))))
      members.append(("minor", .number(Int64(attributes.device.minor))))
    }
    return .object(members)
  }
}
