import TestSupport

/// Random damage to a sound image: what disks and careless programs do to it.
public enum Damage {
  /// Spoils a few places of `image`, and tells which, a line each.
  public static func apply(to image: inout [UInt8], seed: UInt64) -> [String] {
    var random = SeededGenerator(seed: seed)
    var done: [String] = []
    let count = random.chance(60) ? 1 : 2 + random.below(7)
    for _ in 0..<count { done.append(once(&image, &random)) }
    return done
  }

  private static func once(_ image: inout [UInt8], _ random: inout SeededGenerator) -> String {
    let place = place(in: image, &random)
    switch random.below(10) {
    case 0..<3:
      let bit = random.below(8)
      image[place] ^= 1 << UInt8(bit)
      return "bit \(bit) of byte \(place)"
    case 3..<5:
      let value = UInt8(truncatingIfNeeded: random.next())
      image[place] = value
      return "byte \(place) is \(value)"
    case 5:
      // A field of 32 bits, with what is most often wrong in one.
      let start = place & ~3
      let value: UInt32 = random.pick([
        0, 1, 0xffff_ffff, 0x8000_0000, 12, UInt32(random.below(1 << 20)),
      ])
      for index in 0..<4 where start + index < image.count {
        image[start + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index))
      }
      return "word at \(start) is \(value)"
    case 6:
      return fill(&image, place & ~511, 512, "sector", &random)
    case 7:
      return fill(&image, place & ~1023, 1024, "block", &random)
    case 8:
      return fill(&image, place & ~4095, 4096, "page", &random)
    default:
      // What should have gone somewhere else.
      let (from, to) = (self.place(in: image, &random) & ~1023, place & ~1023)
      let end = min(1024, image.count - max(from, to))
      for index in 0..<max(end, 0) { image[to + index] = image[from + index] }
      return "block at \(to) is a copy of that at \(from)"
    }
  }

  /// Most bytes of an image are nothing to anybody: so the places are mostly where there is
  /// something.
  private static func place(in image: [UInt8], _ random: inout SeededGenerator) -> Int {
    for _ in 0..<40 {
      let place = random.below(image.count)
      let start = place & ~63
      if image[start..<min(start + 64, image.count)].contains(where: { $0 != 0 }) { return place }
    }
    return random.below(image.count)
  }

  private static func fill(
    _ image: inout [UInt8], _ start: Int, _ count: Int, _ what: String,
    _ random: inout SeededGenerator
  ) -> String {
    let kind = random.below(3)
    for index in start..<min(start + count, image.count) {
      image[index] =
        switch kind {
        case 0: 0
        case 1: 0xff
        default: UInt8(truncatingIfNeeded: random.next())
        }
    }
    return "\(what) at \(start) is \(["zeros", "ones", "noise"][kind])"
  }
}
