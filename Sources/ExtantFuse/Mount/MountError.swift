/// Why a mount or unmount did not happen, as one line for a user.
public struct MountError: Error, Sendable, Equatable, CustomStringConvertible {
  public var description: String

  public init(_ description: String) { self.description = description }
}
