enum CrashKitPlace {}
