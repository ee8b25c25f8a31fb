/// Nodes that nobody refers to, from the one that became idle first to the last: a list linked
/// through the places of an array, so that each call costs the same, and letting go of the list does
/// not go from node to node.
struct IdleNodes {
  private struct Place {
    var node: Node?
    var older = -1
    /// Of a free place: the next free one.
    var newer = -1
  }

  private var places: [Place] = []
  private var firstFree = -1
  private var oldestPlace = -1
  private var newestPlace = -1
  private(set) var count = 0

  var oldest: Node? { oldestPlace < 0 ? nil : places[oldestPlace].node }

  /// Adds a node that is not there, as the newest.
  mutating func append(_ node: Node) {
    let place = Place(node: node, older: newestPlace)
    let index: Int
    if firstFree >= 0 {
      index = firstFree
      firstFree = places[index].newer
      places[index] = place
    } else {
      index = places.count
      places.append(place)
    }
    if newestPlace >= 0 { places[newestPlace].newer = index } else { oldestPlace = index }
    newestPlace = index
    node.idlePlace = index
    count += 1
  }

  /// Takes a node out; nothing where it is not there.
  mutating func remove(_ node: Node) {
    let index = node.idlePlace
    guard index >= 0 else { return }
    let (older, newer) = (places[index].older, places[index].newer)
    if older >= 0 { places[older].newer = newer } else { oldestPlace = newer }
    if newer >= 0 { places[newer].older = older } else { newestPlace = older }
    places[index] = Place(node: nil, newer: firstFree)
    firstFree = index
    node.idlePlace = -1
    count -= 1
  }
}
