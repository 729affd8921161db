// SPDX-License-Identifier: BSL-1.0
// Recovers from 100,000 null pointers, then is killed by a SIGSEGV. Usage: java NullPointers [LIBRARY], which is loaded into
// the running machine first.

public class NullPointers {
  static int[] none;

  public static void main(String[] arguments) throws Exception {
    if (arguments.length > 0) System.load(arguments[0]);
    int recovered = 0;
    for (int i = 0; i < 100000; i++) {
      try {
        recovered += none[i];
      } catch (NullPointerException e) {
        recovered++;
      }
    }
    System.out.println("recovered " + recovered);
    new ProcessBuilder("kill", "-SEGV", "" + ProcessHandle.current().pid()).start();
    Thread.sleep(30000);
  }
}
