/// One extent of a file, wherever the file lies. All numbers in bytes.
struct MapExtent {
  var logical: UInt64
  /// Nil for what has no place on the device yet.
  var physical: UInt64?
  var length: UInt64
  var isUnwritten: Bool
}

/// A file's extents with what is needed to show them.
struct FileMap {
  var size: UInt64
  var blockSize: UInt64
  var extents: [MapExtent]
}
