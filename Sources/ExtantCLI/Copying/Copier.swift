import ExtantBase

/// Copies nodes from one world to another.
struct Copier {
  let source: any World
  let target: any World
  /// Directories with all below.
  var isRecursive = false
  /// Owner, mode, times, extended attributes, links: as cp -a.
  var keepsEverything = false
  /// Where each node with several links went first.
  private var firstNames: [UInt64: String] = [:]

  init(from source: any World, to target: any World) {
    self.source = source
    self.target = target
  }

  /// Copies the node at `path` to `place`, which is its new name and not a directory to put it in.
  mutating func copy(_ path: String, to place: String) throws {
    try Interruption.check()
    // As cp: what was named is followed, unless nodes are copied as they are.
    let follows = !isRecursive && !keepsEverything
    guard let facts = try source.facts(path, following: follows) else {
      throw CommandFailure("\(source.name(path)): No such file or directory")
    }
    let existing = try target.facts(place, following: false)
    if source === target, let existing, existing.identity == facts.identity {
      throw CommandFailure("\(source.name(path)) and \(target.name(place)) are the same file")
    }
    guard facts.kind == .directory else { return try copyNode(facts, path, place, existing) }
    guard isRecursive else {
      throw CommandFailure("\(source.name(path)): is a directory: -r copies those")
    }
    try copyDirectory(facts, path, place, existing)
  }

  private mutating func copyDirectory(
    _ facts: NodeFacts, _ path: String, _ place: String, _ existing: NodeFacts?
  ) throws {
    // The names as they were before: a directory copied into itself would never end.
    let names = try source.names(path)
    if let existing {
      guard existing.kind == .directory else {
        throw CommandFailure(
          "\(target.name(place)): is no directory, and \(source.name(path)) is one")
      }
    } else {
      try target.makeDirectory(place, mode: facts.mode & 0o777 | 0o700)
    }
    for name in names {
      let below = path.hasSuffix("/") ? path + name : "\(path)/\(name)"
      if source === target, below == place { continue }
      try copy(below, to: place.hasSuffix("/") ? place + name : "\(place)/\(name)")
    }
    try keep(facts, path, place)
  }

  private mutating func copyNode(
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
      firstNames[facts.identity] = place
    }
    switch facts.kind {
    case _ where isContents(facts): try copyContents(facts, path, place)
    case .symbolicLink: try target.makeLink(place, target: try source.target(path))
    default:
      guard isRecursive else { throw CommandFailure("\(source.name(path)): is no regular file") }
      try target.makeNode(place, facts)
    }
    try keep(facts, path, place)
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

  private func keep(_ facts: NodeFacts, _ path: String, _ place: String) throws {
    guard keepsEverything else { return }
    for (name, value) in try source.attributes(path) {
      // What belongs to the host's own security system stays there.
      if name == "security.selinux" { continue }
      try target.setAttribute(place, name, value)
    }
    try target.apply(facts, to: place)
  }
}
