import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  static let summaryRecipes: [Recipe] = [
    Recipe(.summary(.freeBlockCount)) { planter in
      planter.group(0) { $0.freeBlocks += 1 }
    }
  ]
}
