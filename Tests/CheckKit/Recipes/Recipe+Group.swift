import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  static let groupRecipes: [Recipe] = []
}
