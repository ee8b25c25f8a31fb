import ExtantBase
import SystemPackage

/// Copies nodes from one world to another.
///
/// What fails is told, and the rest copied, as cp(1) does.
struct Copier {
  let source: any World
  let target: any World
  /// Directories with all below.
  var isRecursive = false
  /// Owner, mode, times, extended attributes, links: as cp -a.
  var keepsEverything = false
  /// Something was not copied, and told.
  private(set) var hasProblems = false
  /// What was copied without some of its attributes.
  var losses = AttributeLosses()
  /// Where each node with several links went first.
  private var firstNames: [UInt64: String] = [:]
  /// The directories that are being copied, from the first down, and, where a directory has one name,
  /// those that were.
  private var trail = DirectoryTrail()
  private var stack: [OpenDirectory] = []
  /// Directories that this copy has made, where it goes within one world.
  private var made: Set<UInt64> = []

  init(from source: any World, to target: any World) {
    self.source = source
    self.target = target
  }

  /// A directory that is being copied. They are kept in a list and not on the call stack: how deep it
  /// goes is up to the image.
  private struct OpenDirectory {
    let facts: NodeFacts
    let path: String
    let place: String
    let isNew: Bool
    /// As they were before: the copy may go into it.
    var names: ArraySlice<String>
  }

  /// Copies the node at `path` to `place`, which is its new name and not a directory to put it in.
  mutating func copy(_ path: String, to place: String) throws {
    try reporting { (copier) in try copier.copyNode(path, place) }
    while let directory = stack.last {
      if let name = directory.names.first {
        stack[stack.count - 1].names.removeFirst()
        try reporting { (copier) in
          try copier.copyNode(
            PathText.joined(directory.path, name), PathText.joined(directory.place, name))
        }
      } else {
        stack.removeLast()
        if !source.directoriesHaveOneName { trail.leave(directory.facts.identity) }
        try reporting { (copier) in try copier.finish(directory) }
      }
    }
  }

  private mutating func reporting(_ body: (inout Copier) throws -> Void) throws {
    do { try body(&self) } catch let failure as CommandFailure {
      Output.message(failure.description)
      hasProblems = true
    }
  }

  /// Copies one node; of a directory this is only the beginning.
  private mutating func copyNode(_ path: String, _ place: String) throws {
    try Interruption.check()
    guard path.utf8.count <= DirectoryTrail.longestPath else {
      throw CommandFailure("\(source.name(path)): \(Errno.fileNameTooLong)")
    }
    // As cp: what was named is followed, unless nodes are copied as they are.
    let follows = !isRecursive && !keepsEverything
    guard let facts = try source.facts(path, following: follows) else {
      throw CommandFailure("\(source.name(path)): No such file or directory")
    }
    let existing = try target.facts(place, following: false)
    if source === target, let existing, existing.identity == facts.identity {
      throw CommandFailure("\(source.name(path)) and \(target.name(place)) are the same file")
    }
    guard facts.kind == .directory else { return try copyFile(facts, path, place, existing) }
    guard isRecursive else {
      throw CommandFailure("\(source.name(path)): is a directory: -r copies those")
    }
    try begin(facts, path, place, existing)
  }

  private mutating func begin(
    _ facts: NodeFacts, _ path: String, _ place: String, _ existing: NodeFacts?
  ) throws {
    if made.contains(facts.identity) {
      throw CommandFailure(
        "\(source.name(path)): a directory is not copied into itself, \(target.name(place))")
    }
    let parent = stack.last?.facts.identity
    let name = parent == nil ? path : Location(image: nil, path: path).lastComponent
    if let other = trail.enter(facts.identity, from: parent, as: PathText.bytes(name)) {
      throw CommandFailure(
        "\(source.name(path)): is the same directory as \(source.name(PathText.text(other))), and not "
          + "copied again"
          + (source.directoriesHaveOneName ? ": the image is damaged (extant fsck)" : ""))
    }
    let names = try source.names(path)
    if let existing {
      guard existing.kind == .directory else {
        throw CommandFailure(
          "\(target.name(place)): is no directory, and \(source.name(path)) is one")
      }
    } else {
      try target.makeDirectory(place, mode: facts.mode & 0o777 | 0o700)
      if source === target, let new = try target.facts(place, following: false) {
        made.insert(new.identity)
      }
    }
    stack.append(
      OpenDirectory(
        facts: facts, path: path, place: place, isNew: existing == nil, names: names[...]))
  }

  private mutating func finish(_ directory: OpenDirectory) throws {
    let (facts, place) = (directory.facts, directory.place)
    if keepsEverything { return try keep(facts, directory.path, place) }
    // What was only for the time of the copy.
    let extra = 0o700 & ~facts.mode
    if directory.isNew, extra != 0, let new = try target.facts(place, following: false) {
      try target.setMode(place, new.mode & ~extra)
    }
  }

  private mutating func copyFile(
    _ facts: NodeFacts, _ path: String, _ place: String, _ existing: NodeFacts?
  ) throws {
    if let existing {
      guard existing.kind != .directory else {
        throw CommandFailure(
          "\(target.name(place)): is a directory, and \(source.name(path)) is none")
      }
      // Contents go into what is there, be it a device; other kinds take its place.
      if !isContents(facts) { try target.remove(place) }
    }
    if keepsEverything, facts.links > 1 {
      if let first = firstNames[facts.identity] {
        if existing != nil, isContents(facts) { try target.remove(place) }
        return try target.makeHardLink(place, to: first)
      }
    }
    switch facts.kind {
    case _ where isContents(facts): try copyContents(facts, path, place)
    case .symbolicLink: try target.makeLink(place, target: try source.target(path))
    default:
      guard isRecursive else { throw CommandFailure("\(source.name(path)): is no regular file") }
      try target.makeNode(place, facts)
    }
    try keep(facts, path, place)
    if keepsEverything, facts.links > 1 { firstNames[facts.identity] = place }
  }

  /// Whether the node is copied by its bytes: a file, or a pipe or device that was named, as cp does.
  private func isContents(_ facts: NodeFacts) -> Bool {
    switch facts.kind {
    case .regular: true
    case .fifo, .characterDevice, .blockDevice: source.hasStreams && !isRecursive
    default: false
    }
  }

  /// Holes stay holes.
  private func copyContents(_ facts: NodeFacts, _ path: String, _ place: String) throws {
    let reader = try source.reader(path)
    let writer = try target.writer(place, mode: facts.mode & 0o777)
    var offset: UInt64 = 0
    while let range = try reader.data(from: offset) {
      offset = range.lowerBound
      while offset < range.upperBound {
        try Interruption.check()
        let count = Int(min(1 << 20, range.upperBound - offset))
        let bytes = try reader.read(count, at: offset)
        // The file may be shorter by now, or one that does not tell its size.
        guard !bytes.isEmpty else { return try writer.finish(size: offset) }
        try writer.write(bytes, at: offset)
        offset += UInt64(bytes.count)
      }
    }
    try writer.finish(size: max(offset, facts.size))
  }

  private static let accessLists = ["system.posix_acl_access", "system.posix_acl_default"].map {
    Array($0.utf8)
  }

  /// Gives the copy everything that it has besides contents, in the one order in which nothing takes
  /// back what came before: a change of owner drops the set-ID bits and security.capability; who is
  /// not root may set attributes only while the mode lets him write; an access list changes the
  /// mode's group bits, and may cost it set-group-ID; and all of that would change times.
  private mutating func keep(_ facts: NodeFacts, _ path: String, _ place: String) throws {
    guard keepsEverything else { return }
    let isOwner = try target.setOwner(place, uid: facts.uid, gid: facts.gid)
    let attributes = try source.attributes(path)
    if facts.kind != .symbolicLink {
      // The target's directory may have given it lists that the source has not.
      for list in Self.accessLists where !attributes.contains(where: { $0.name == list }) {
        if facts.kind != .directory, list != Self.accessLists.first { continue }
        try target.removeAttribute(place, list)
      }
    }
    for (name, value) in attributes {
      if let reason = try target.setAttribute(place, name, value) {
        losses.add(name, reason, target.name(place))
      }
    }
    if facts.kind != .symbolicLink {
      // As cp(1): a program is not to run as who happens to have copied it.
      try target.setMode(place, isOwner ? facts.mode : facts.mode & 0o777)
    }
    try target.setTimes(
      place, access: facts.accessTime, modification: facts.modificationTime)
  }
}
