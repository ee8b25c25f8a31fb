import Ext4Format
import ExtantBase

/// What a group's descriptor gives an address.
enum GroupPart: Int, CaseIterable, Sendable {
  case blockBitmap, inodeBitmap, inodeTable

  /// In blocks.
  func count(_ superblock: Superblock) -> UInt64 {
    self == .inodeTable ? UInt64(superblock.inodeTableBlockCount) : 1
  }

  var isOutside: GroupIssue {
    switch self {
    case .blockBitmap: .blockBitmapOutside
    case .inodeBitmap: .inodeBitmapOutside
    case .inodeTable: .inodeTableOutside
    }
  }
  var isInOtherGroup: GroupIssue {
    switch self {
    case .blockBitmap: .blockBitmapInOtherGroup
    case .inodeBitmap: .inodeBitmapInOtherGroup
    case .inodeTable: .inodeTableInOtherGroup
    }
  }
  var overlaps: GroupIssue {
    switch self {
    case .blockBitmap: .blockBitmapOverlaps
    case .inodeBitmap: .inodeBitmapOverlaps
    case .inodeTable: .inodeTableOverlaps
    }
  }
}

extension GroupDescriptor {
  subscript(part: GroupPart) -> BlockAddress {
    get {
      switch part {
      case .blockBitmap: blockBitmap
      case .inodeBitmap: inodeBitmap
      case .inodeTable: inodeTable
      }
    }
    set {
      switch part {
      case .blockBitmap: blockBitmap = newValue
      case .inodeBitmap: inodeBitmap = newValue
      case .inodeTable: inodeTable = newValue
      }
    }
  }

  func hasSameTables(as other: Self) -> Bool {
    GroupPart.allCases.allSatisfy { self[$0] == other[$0] }
  }
}

extension Superblock {
  /// Whether the part of `group` can lie at `address`, going by the geometry alone.
  func placeProblem(_ part: GroupPart, of group: GroupIndex, at address: BlockAddress)
    -> GroupIssue?
  {
    let count = part.count(self)
    guard contains(address, count: count), let holder = self.group(of: address) else {
      return part.isOutside
    }
    guard !features.incompat.contains(.flexBg) else { return nil }
    let last = self.group(of: BlockAddress(address.rawValue + count - 1))
    return holder == group && last == group ? nil : part.isInOtherGroup
  }
}
