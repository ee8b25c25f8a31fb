/// What a device is opened for.
public enum DeviceAccess: Sendable, Equatable {
  case readOnly
  case readWrite
}
