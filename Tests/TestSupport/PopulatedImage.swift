/// Images full of files, as a user's are: made by the kernel where it may be asked, else by mke2fs.
public enum PopulatedImage {
  /// An image at `path` with `files` files of up to 16 KiB in directories of 100.
  public static func make(at path: String, files: Int, options: [String] = []) throws {
    let size = max(64, files * 12 / 1024)
    let inodes = ["-N", String(files + files / 4 + 1000)]
    if Environment.hasKernelMounts {
      let image = try Image.make(at: path, size: "\(size)M", options: inodes + options)
      let folder = try TemporaryDirectory()
      let mount = try image.mountInKernel(at: folder("mount"))
      try fill(mount.point, files: files)
      try mount.unmount()
    } else {
      let folder = try TemporaryDirectory()
      try System.makeDirectory(folder("tree"))
      try fill(folder("tree"), files: files)
      _ = try Image.make(
        at: path, size: "\(size)M", options: ["-d", folder("tree")] + inodes + options)
    }
  }

  private static func fill(_ root: String, files: Int) throws {
    var generator = SeededGenerator(seed: 1)
    let contents = [UInt8](repeating: 0x61, count: 16384)
    for number in 0..<files {
      let top = "\(root)/\(number / 10_000)"
      let directory = "\(top)/\(number / 100)"
      if number % 10_000 == 0 { try System.makeDirectory(top) }
      if number % 100 == 0 { try System.makeDirectory(directory) }
      let size = generator.below(100) < 80 ? generator.below(4096) : generator.below(16384)
      try System.write(Array(contents[..<size]), to: "\(directory)/file-\(number)")
      if number % 50 == 0 {
        try System.link("\(directory)/file-\(number)", "\(directory)/link-\(number)")
      }
      if number % 40 == 0 {
        try System.symbolicLink("file-\(number)", at: "\(directory)/symlink-\(number)")
      }
    }
  }
}
