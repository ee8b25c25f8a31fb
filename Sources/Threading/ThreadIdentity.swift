import CThreads

/// Tells the running threads apart. A number is used again once its thread has ended.
public enum ThreadIdentity {
  public static var current: UInt { UInt(pthread_self()) }
}
