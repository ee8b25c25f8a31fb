import ExtantBase

/// The trees that one copy works on, each image opened once.
final class OpenImages {
  private let target: String?
  private let host = HostWorld()
  /// In the order of their opening.
  private var images: [ImageWorld] = []

  /// - Parameter target: the image that is written.
  init(target: String?) { self.target = target }

  func world(_ location: Location) throws -> any World {
    guard let image = location.image else { return host }
    if let known = images.first(where: { PathText.areSame($0.image, image) }) { return known }
    let isTarget = target.map { PathText.areSame($0, image) } ?? false
    let opened = try ImageWorld(image: image, writing: isTarget)
    images.append(opened)
    return opened
  }

  /// Does `body`, then closes every image, whatever happened: what was copied is to be on the one
  /// that was written. Throws the first error; the others are told.
  func closing<R>(_ body: () throws -> R) throws -> R {
    defer { images = [] }
    let result: R
    do { result = try body() } catch {
      do { try Self.closeAll(images) } catch { Output.message("\(error)") }
      throw error
    }
    try Self.closeAll(images)
    return result
  }

  /// Closes each, whatever the others say.
  static func closeAll(_ worlds: [some Closing]) throws {
    var failure: (any Error)?
    for world in worlds {
      do { try world.close() } catch {
        if failure == nil { failure = error } else { Output.message("\(error)") }
      }
    }
    if let failure { throw failure }
  }
}

/// What has to be closed, and may fail to.
protocol Closing {
  func close() throws
}

extension ImageWorld: Closing {}
