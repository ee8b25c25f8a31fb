extension Case {
  /// The whole suite, in the order of its areas.
  public static let all: [Case] = [
    nameCases, renameCases, modeCases, timeCases, privilegeCases, flagCases, openCases, dataCases,
    attributeCases, handleCases, spaceCases,
  ].flatMap { $0 }
}
