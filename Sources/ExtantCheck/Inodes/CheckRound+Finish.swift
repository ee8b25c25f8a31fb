import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Does what was put off until all claims were known.
  func finishInodes() throws(FileSystemError) {
    try finishXattrs()
    // What is done may put off more.
    while !putOff.isEmpty {
      let work = putOff
      putOff = []
      for step in work { try step(self) }
    }
  }
}
