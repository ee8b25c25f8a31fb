print("extant")
