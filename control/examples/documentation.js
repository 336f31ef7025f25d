/** The script that the documentation begins with, as it stands there. */
const projectcontrol = require( "projectcontrol" )

projectcontrol.codecs = [ "722", "pcma", "pcmu", "ilbc", "2833" ]

projectcontrol.onnewcall = ( call ) =>
{
  console.log( "new call" )

  call.onhangup = () =>
  {
    console.log( "hung up" )
  }

  call.ring();

  if( "3" == call.destination )
  {
    call.newcall( { to: { user: "1003" } } )
  }
}

projectcontrol.directory( "bling.babblevoice.com", [ { "username": "1003", "secret": "1123654789" } ] )

projectcontrol.run()
