import ArgumentParser

@main
struct Crash: ParsableCommand {
  func run() throws {}
}
