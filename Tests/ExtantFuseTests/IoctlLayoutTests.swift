import CFuse3
import Extant
import Testing

@testable import ExtantFuse

/// What docs/IOCTLS.md promises in numbers.
@Suite struct IoctlLayoutTests {
  @Test func theNumbersAreThePublishedOnes() {
    #expect(extant_ioc_identify == 0x8028_E400)
    #expect(extant_ioc_fallocate == 0x4018_E401)
    #expect(extant_ioc_fiemap == 0xFFC8_E402)
    #expect(extant_ioc_sync == 0xE403)
  }

  @Test func theStructuresHaveThePublishedSizes() {
    #expect(MemoryLayout<extant_identity>.size == 40)
    #expect(MemoryLayout<extant_fallocate>.size == 24)
    #expect(MemoryLayout<extant_fiemap>.size == 16_328)
    #expect(MemoryLayout<extant_fiemap_extent>.size == MemoryLayout<fiemap_extent>.size)
    #expect(MemoryLayout<FiemapHeader>.size == 32)
  }

  @Test func xflagsAndInodeFlagsTurnIntoEachOther() {
    let mapped = XFlags.from(.changeable)
    #expect(mapped & ~XFlags.known == 0)
    for bit in 0..<32 where mapped >> bit & 1 == 1 {
      let xflag = UInt32(1) << UInt32(bit)
      #expect(XFlags.from(XFlags.apply(xflag, to: [])) == xflag)
    }
    #expect(XFlags.apply(0, to: [.extents, .immutable]) == .extents)
  }
}
